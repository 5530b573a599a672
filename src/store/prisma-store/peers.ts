import { z } from 'zod'
import { addressSourceSchema, type KnownAddress } from '../../model/peer.ts'
import type { PeerRecord, PeerSighting, PeerStore } from '../store.ts'
import type { PrismaClient } from './generated/sqlite/client.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { attemptAsync } from './unavailable.ts'

const maxAddresses = 16

/** A row, whether Prisma or the driver read it: the one knows booleans and bigints, the other numbers only. */
const rowSchema = z.object({
  peerId: z.string(),
  addresses: json(z.array(z.object({ multiaddr: z.string(), source: addressSourceSchema }))),
  agent: z.string().nullable(),
  protocols: json(z.array(z.string())),
  label: z.string().nullable(),
  blocked: z.coerce.boolean(),
  firstSeen: z.coerce.number(),
  lastSeen: z.coerce.number(),
})

function json<Schema extends z.ZodType>(schema: Schema) {
  return z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)
}

const columns = '"peerId", "addresses", "agent", "protocols", "label", "blocked", "firstSeen", "lastSeen"'
const replace = `INSERT INTO "Peer" (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT ("peerId") DO UPDATE SET "addresses" = excluded."addresses", "agent" = excluded."agent", "protocols" = excluded."protocols",
    "label" = excluded."label", "blocked" = excluded."blocked", "firstSeen" = excluded."firstSeen", "lastSeen" = excluded."lastSeen"`

/** Reads through Prisma; what reads, changes and writes is one transaction, and so goes through the driver. */
export function createPeerStore(components: { prisma: () => PrismaClient; writer: () => SqliteDatabase }): PeerStore {
  const { prisma, writer } = components

  function find(peerId: string): PeerRecord | undefined {
    const row = writer().row(`SELECT ${columns} FROM "Peer" WHERE "peerId" = ?`, peerId)
    return row === undefined ? undefined : rowSchema.parse(row)
  }

  function put(peer: PeerRecord): void {
    const { peerId, agent, label, firstSeen, lastSeen } = peer
    const [addresses, protocols] = [JSON.stringify(peer.addresses), JSON.stringify(peer.protocols)]
    writer().run(replace, peerId, addresses, agent, protocols, label, peer.blocked ? 1 : 0, firstSeen, lastSeen)
  }

  return {
    list: ({ after, limit, blocked, peerIds }) =>
      attemptAsync(async () => {
        const ids = { ...(after === undefined ? {} : { gt: after }), ...(peerIds === undefined ? {} : { in: peerIds }) }
        const where = { peerId: ids, ...(blocked === undefined ? {} : { blocked }) }
        const rows = await prisma().peer.findMany({ where, orderBy: { peerId: 'asc' }, take: limit })
        return rows.map((row) => rowSchema.parse(row))
      }),
    get: (peerId) =>
      attemptAsync(async () => {
        const row = await prisma().peer.findFirst({ where: { peerId } })
        return row === null ? undefined : rowSchema.parse(row)
      }),
    async save(sightings) {
      writer().transaction(() => {
        for (const sighting of sightings) put(withSighting(find(sighting.peerId) ?? stranger(sighting.peerId, sighting.seenAt), sighting))
      })
    },
    async annotate(peerId, { label, blocked }) {
      return writer().transaction(() => {
        const before = find(peerId) ?? stranger(peerId, Date.now())
        const record = { ...before, ...(label === undefined ? {} : { label }), ...(blocked === undefined ? {} : { blocked }) }
        put(record)
        return record
      })
    },
    async forget(peerId) {
      return writer().run('DELETE FROM "Peer" WHERE "peerId" = ?', peerId).changes === 1
    },
  }
}

function stranger(peerId: string, seenAt: number): PeerRecord {
  return { peerId, addresses: [], agent: null, protocols: [], label: null, blocked: false, firstSeen: seenAt, lastSeen: seenAt }
}

function withSighting(peer: PeerRecord, sighting: PeerSighting): PeerRecord {
  return {
    ...peer,
    addresses: joinAddresses(peer.addresses, sighting),
    agent: sighting.agent ?? peer.agent,
    protocols: sighting.protocols ?? peer.protocols,
    lastSeen: Math.max(peer.lastSeen, sighting.seenAt),
  }
}

/** The addresses just seen come first; each keeps the most trusted source it was ever learnt by. */
function joinAddresses(known: KnownAddress[], { multiaddrs, source }: PeerSighting): KnownAddress[] {
  const trust = addressSourceSchema.options
  const seen = [...new Set(multiaddrs)].map((multiaddr) => {
    const before = known.find((address) => address.multiaddr === multiaddr)
    return before !== undefined && trust.indexOf(before.source) < trust.indexOf(source) ? before : { multiaddr, source }
  })
  return [...seen, ...known.filter(({ multiaddr }) => !multiaddrs.includes(multiaddr))].slice(0, maxAddresses)
}
