import type { PeerStore } from '../peer-store.ts'
import { peerColumnNames, peerColumns, peerValues, replacePeer, type StoredPeer, storedPeerSchema } from '../shared/peer-rows.ts'
import type { PeerEdit } from '../shared/peers.ts'
import type { PostgresDatabase } from './database.ts'

const find = `SELECT ${peerColumns} FROM "Peer" WHERE "peerId" = $1`
const replace = replacePeer('$1, $2, $3, $4, $5, $6, $7, $8, $9')
const takeLock = `SELECT pg_advisory_xact_lock(x'50656574'::int, hashtext(current_schema()))`

/** Ordered by the columns of the index, which then supplies the order. */
const forgetUnseen = `WITH excess AS (
    SELECT count(*) - $2::bigint AS peers
    FROM (SELECT 1 FROM "Peer" AS p WHERE p."blocked" = false AND p."label" IS NULL LIMIT $2::bigint + $4::bigint) AS p
  ), oldest AS MATERIALIZED (
    SELECT p."peerId", p."seenAge" FROM "Peer" AS p WHERE p."blocked" = false AND p."label" IS NULL AND p."peerId" <> ALL($3::text[])
    ORDER BY p."blocked", p."label", p."seenAge" LIMIT $4::bigint
  ), chosen AS MATERIALIZED (
    SELECT o."peerId" FROM (SELECT o.*, row_number() OVER (ORDER BY o."seenAge") AS place FROM oldest AS o) AS o
    WHERE o."seenAge" < $1::bigint OR o.place <= (SELECT e.peers FROM excess AS e)
  )
  DELETE FROM "Peer" AS p USING chosen AS c WHERE p."peerId" = c."peerId" RETURNING 1`

/** One gateway at a time, so that two gateways that see the same peers neither lose a sighting nor deadlock. */
export function changePeers(database: PostgresDatabase, edits: PeerEdit[]): Promise<StoredPeer[]> {
  return database.transaction(async (query) => {
    await query(takeLock)
    const records: StoredPeer[] = []
    for (const { peerId, edit } of edits) {
      const [row] = await query(find, [peerId])
      const before = row === undefined ? undefined : Object.fromEntries(peerColumnNames.map((name, index) => [name, row[index]]))
      const record = edit(before === undefined ? undefined : storedPeerSchema.parse(before))
      await query(replace, [...peerValues(record, (blocked) => blocked)])
      records.push(record)
    }
    return records
  })
}

/** Takes the same lock, so that no peer is removed that is labelled, blocked or seen meanwhile. */
export function forgetUnseenPeers(database: PostgresDatabase, query: Parameters<PeerStore['forgetUnseen']>[0]): Promise<number> {
  const { seenBefore, max, keep, limit } = query
  return database.transaction(async (run) => {
    await run(takeLock)
    return (await run(forgetUnseen, [seenBefore, max, keep, limit])).length
  })
}
