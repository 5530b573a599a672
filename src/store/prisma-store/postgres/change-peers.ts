import type { PeerRecord } from '../../store.ts'
import { peerColumnNames, peerColumns, peerRowSchema, peerValues, replacePeer } from '../peer-rows.ts'
import type { PeerEdit } from '../peers.ts'
import type { PostgresDatabase } from './database.ts'

const find = `SELECT ${peerColumns} FROM "Peer" WHERE "peerId" = $1`
const replace = replacePeer('$1, $2, $3, $4, $5, $6, $7, $8')

/** One gateway at a time, so that two that see the same peers neither lose a sighting nor wait for each other in a circle. */
export function changePeers(database: PostgresDatabase, edits: PeerEdit[]): Promise<PeerRecord[]> {
  return database.transaction(async (query) => {
    await query(`SELECT pg_advisory_xact_lock(x'50656574'::int, hashtext(current_schema()))`)
    const records: PeerRecord[] = []
    for (const { peerId, edit } of edits) {
      const [row] = await query(find, [peerId])
      const before = row === undefined ? undefined : Object.fromEntries(peerColumnNames.map((name, index) => [name, row[index]]))
      const record = edit(before === undefined ? undefined : peerRowSchema.parse(before))
      await query(replace, [...peerValues(record, (blocked) => blocked)])
      records.push(record)
    }
    return records
  })
}
