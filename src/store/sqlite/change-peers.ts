import type { PeerStore } from '../peer-store.ts'
import { peerColumns, peerValues, replacePeer, type StoredPeer, storedPeerSchema } from '../shared/peer-rows.ts'
import type { PeerEdit } from '../shared/peers.ts'
import type { SqliteDatabase } from './database.ts'

const find = `SELECT ${peerColumns} FROM "Peer" WHERE "peerId" = ?`
const replace = replacePeer('?, ?, ?, ?, ?, ?, ?, ?, ?')
const countForgettable = `SELECT count(*) AS "peers" FROM (SELECT 1 FROM "Peer" WHERE "blocked" = false AND "label" IS NULL LIMIT ?)`
const findForgettable = `SELECT "peerId", "seenAge" FROM "Peer"
  WHERE "blocked" = false AND "label" IS NULL AND "peerId" NOT IN (SELECT value FROM json_each(?)) ORDER BY "seenAge" LIMIT ?`

export function changePeers(writer: SqliteDatabase, edits: PeerEdit[]): StoredPeer[] {
  return writer.transaction(() =>
    edits.map(({ peerId, edit }) => {
      const row = writer.row(find, peerId)
      const record = edit(row === undefined ? undefined : storedPeerSchema.parse(row))
      writer.run(replace, ...peerValues(record, Number))
      return record
    }),
  )
}

export function forgetUnseenPeers(writer: SqliteDatabase, query: Parameters<PeerStore['forgetUnseen']>[0]): number {
  const { seenBefore, max, keep, limit } = query
  return writer.transaction(() => {
    const excess = Number(writer.row(countForgettable, max + limit)?.peers) - max
    const oldest = [...writer.rows(findForgettable, JSON.stringify(keep), limit)]
    const gone = oldest.filter(({ seenAge }, index) => Number(seenAge) < seenBefore || index < excess)
    for (const { peerId } of gone) writer.run('DELETE FROM "Peer" WHERE "peerId" = ?', peerId ?? null)
    return gone.length
  })
}
