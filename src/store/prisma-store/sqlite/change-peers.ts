import type { PeerRecord } from '../../store.ts'
import { peerColumns, peerRowSchema, peerValues, replacePeer } from '../peer-rows.ts'
import type { PeerEdit } from '../peers.ts'
import type { SqliteDatabase } from './database.ts'

const find = `SELECT ${peerColumns} FROM "Peer" WHERE "peerId" = ?`
const replace = replacePeer('?, ?, ?, ?, ?, ?, ?, ?')

export function changePeers(writer: SqliteDatabase, edits: PeerEdit[]): PeerRecord[] {
  return writer.transaction(() =>
    edits.map(({ peerId, edit }) => {
      const row = writer.row(find, peerId)
      const record = edit(row === undefined ? undefined : peerRowSchema.parse(row))
      writer.run(replace, ...peerValues(record, Number))
      return record
    }),
  )
}
