import type { PeerStore } from '../peer-store.ts'
import type { Models } from './models.ts'
import { peerRowSchema, type StoredPeer, stranger, withSighting } from './peer-rows.ts'
import { attemptAsync } from './unavailable.ts'

/** An edit of a record. */
export interface PeerEdit {
  peerId: string
  edit(before: StoredPeer | undefined): StoredPeer
}

/** Reads go through Prisma. Read-modify-write edits are one transaction, so they go through the driver. */
export function createPeerStore(components: {
  prisma: () => Models
  /** Applies all edits in one transaction; returns the resulting records. */
  change: (edits: PeerEdit[]) => Promise<StoredPeer[]>
  forgetUnseen: PeerStore['forgetUnseen']
}): PeerStore {
  const { prisma, change, forgetUnseen } = components
  return {
    list: ({ after, limit, blocked, peerIds }) =>
      attemptAsync(async () => {
        const ids = { ...(after === undefined ? {} : { gt: after }), ...(peerIds === undefined ? {} : { in: peerIds }) }
        const where = { peerId: ids, ...(blocked === undefined ? {} : { blocked }) }
        const rows = await prisma().peer.findMany({ where, orderBy: { peerId: 'asc' }, take: limit })
        return rows.map((row) => peerRowSchema.parse(row))
      }),
    get: (peerId) =>
      attemptAsync(async () => {
        const row = await prisma().peer.findFirst({ where: { peerId } })
        return row === null ? undefined : peerRowSchema.parse(row)
      }),
    async save(sightings) {
      await change(
        sightings.map((sighting) => ({
          peerId: sighting.peerId,
          edit: (before) =>
            withSighting(before ?? stranger(sighting.peerId, sighting.seenAt, sighting.seenAge ?? sighting.seenAt), sighting),
        })),
      )
    },
    async annotate(peerId, { label, blocked }) {
      const [changed] = await change([
        {
          peerId,
          edit: (before) => ({
            ...(before ?? stranger(peerId, Date.now(), Date.now())),
            ...(label === undefined ? {} : { label }),
            ...(blocked === undefined ? {} : { blocked }),
          }),
        },
      ])
      if (changed === undefined) throw new Error('an edit returned no record')
      const { seenAge, ...record } = changed
      return record
    },
    countAnnotated: (max) =>
      attemptAsync(() => prisma().peer.count({ where: { OR: [{ label: { not: null } }, { blocked: true }] }, take: max })),
    forgetUnseen,
    forget: (peerId) => attemptAsync(async () => (await prisma().peer.deleteMany({ where: { peerId } })).count === 1),
  }
}
