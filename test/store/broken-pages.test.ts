import { copyFile, open } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { DatabaseDamaged } from '../../src/errors.ts'
import type { StoredMessage } from '../../src/model/message.ts'
import type { Store } from '../../src/store/store.ts'
import { newMessage } from '../fixtures/messages.ts'
import { busyTopic, rareTopic, storeStatements } from '../fixtures/store-statements.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

/** Pages of a SQLite file that a disk changes while it is open: of tables and of indexes, whatever the store is asked for. */

const pageBytes = 4_096
const statements = storeStatements(() => 40)

/** A file with something in it, its messages, and the roots of its tables and indexes. */
async function filled() {
  const directory = await temporaryDirectory()
  await using made = sqliteStore(directory)
  await made.start()
  await made.log.append(Array.from({ length: 40 }, (_, index) => newMessage(index % 8 === 0 ? rareTopic : busyTopic)))
  for (const { run } of statements) await run(made)
  const { messages } = await made.log.read({ after: 0, order: 'asc', limit: 1_000 })
  await made.stop()
  const file = sqlitePaths(directory).path
  using database = new DatabaseSync(file)
  const rows = database.prepare(`SELECT "name", "rootpage" FROM "sqlite_schema"`).all()
  const roots = new Map(rows.map(({ name, rootpage }) => [String(name), Number(rootpage)]))
  return { file, messages, rootOf: (tree: string) => roots.get(tree) ?? 1 }
}

/** A store on a copy of the file, whose page is overwritten once the store is open. */
async function openBroken(file: string, page: number, content: Uint8Array): Promise<Store> {
  const directory = await temporaryDirectory()
  const { path } = sqlitePaths(directory)
  await copyFile(file, path)
  const store = sqliteStore(directory)
  await store.start()
  // A write of another connection has the others read everything anew.
  using other = new DatabaseSync(path)
  other.exec(`INSERT INTO "AuditEntry" VALUES ('other', 0, '', '', '{}')`)
  const handle = await open(path, 'r+')
  await handle.write(content, 0, content.length, (page - 1) * pageBytes)
  await handle.close()
  return store
}

const trees = [
  ...['Message', 'Message_id_key', 'Message_topic_seq_idx', 'Topic', 'Topic_joined_name_idx', 'Log', 'sqlite_autoindex_SeenId_1'],
  ...['sqlite_sequence', 'Peer', 'Delivery', 'Token_hash_key', 'the schema'],
]

test('a broken page is told by one name, whatever is asked, and nothing that is wrong is answered', async () => {
  const { file, messages, rootOf } = await filled()
  const ids = new Map(messages.map((message) => [message.seq, message.id]))
  const isRight = ({ seq, id }: StoredMessage) => seq > 40 || ids.get(seq) === id
  const strange: string[] = []
  for (const [index, tree] of trees.entries()) {
    await using store = await openBroken(file, rootOf(tree), new Uint8Array(pageBytes).fill(index % 2 === 0 ? 0xa5 : 0))
    const failed = new Set<string>()
    for (const { name, run } of statements) {
      await run(store).catch((error: unknown) => {
        if (error instanceof DatabaseDamaged) failed.add(name)
        else strange.push(`${tree}: ${name}: ${String(error)}`)
      })
    }
    expect(failed.size, tree).toBeGreaterThan(0)
    expect(store.isDamaged(), tree).toBe(true)
    const answered = await store.log.read({ after: 0, order: 'asc', limit: 1_000 }).catch(() => ({ messages: [] }))
    expect(answered.messages.filter((message) => !isRight(message))).toEqual([])
  }
  expect(strange).toEqual([])
})
