import { z } from 'zod'
import { addressSourceSchema, type KnownAddress } from '../../model/peer.ts'
import type { PeerRecord, PeerSighting } from '../peer-store.ts'

const maxAddresses = 16

/** A row as Prisma or a driver reads it: Prisma returns booleans and bigints, SQLite's driver only numbers. */
export const peerRowSchema = z.object({
  peerId: z.string(),
  addresses: json(z.array(z.object({ multiaddr: z.string(), source: addressSourceSchema }))),
  agent: z.string().nullable(),
  protocols: json(z.array(z.string())),
  label: z.string().nullable(),
  blocked: z.coerce.boolean(),
  firstSeen: z.coerce.number(),
  lastSeen: z.coerce.number(),
})

/** A record with its age. */
export interface StoredPeer extends PeerRecord {
  /** When the peer was last seen, in age time. */
  seenAge: number
}

export const storedPeerSchema = peerRowSchema.extend({ seenAge: z.coerce.number() })

function json<Schema extends z.ZodType>(schema: Schema) {
  return z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)
}

export const peerColumnNames = ['peerId', 'addresses', 'agent', 'protocols', 'label', 'blocked', 'firstSeen', 'lastSeen', 'seenAge']
export const peerColumns = peerColumnNames.map((name) => `"${name}"`).join(', ')
export const replacePeer = (places: string) => `INSERT INTO "Peer" (${peerColumns}) VALUES (${places}) ON CONFLICT ("peerId") DO UPDATE SET
  ${peerColumnNames.map((name) => `"${name}" = excluded."${name}"`).join(', ')}`

/** The column values; `flag` makes the boolean, which the databases represent differently. */
export function peerValues<Flag>(peer: StoredPeer, flag: (blocked: boolean) => Flag) {
  const { peerId, addresses, agent, protocols, label, blocked, firstSeen, lastSeen, seenAge } = peer
  return [peerId, JSON.stringify(addresses), agent, JSON.stringify(protocols), label, flag(blocked), firstSeen, lastSeen, seenAge]
}

export function stranger(peerId: string, seenAt: number, seenAge: number): StoredPeer {
  const seen = { firstSeen: seenAt, lastSeen: seenAt, seenAge }
  return { peerId, addresses: [], agent: null, protocols: [], label: null, blocked: false, ...seen }
}

export function withSighting(peer: StoredPeer, sighting: PeerSighting): StoredPeer {
  return {
    ...peer,
    addresses: joinAddresses(peer.addresses, sighting),
    agent: sighting.agent ?? peer.agent,
    protocols: sighting.protocols ?? peer.protocols,
    lastSeen: Math.max(peer.lastSeen, sighting.seenAt),
    seenAge: Math.max(peer.seenAge, sighting.seenAge ?? sighting.seenAt),
  }
}

/** Addresses of the sighting come first; each keeps the most trusted source it was ever learnt from. */
function joinAddresses(known: KnownAddress[], { multiaddrs, source }: PeerSighting): KnownAddress[] {
  const trust = addressSourceSchema.options
  const seen = [...new Set(multiaddrs)].map((multiaddr) => {
    const before = known.find((address) => address.multiaddr === multiaddr)
    return before !== undefined && trust.indexOf(before.source) < trust.indexOf(source) ? before : { multiaddr, source }
  })
  return [...seen, ...known.filter(({ multiaddr }) => !multiaddrs.includes(multiaddr))].slice(0, maxAddresses)
}
