import { readFile, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { check } from '../../src/store/check.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

const pageBytes = 4_096

/** A file with four messages, of which an index has lost the last entry that it holds. */
async function withoutEntry(index: string) {
  const directory = await temporaryDirectory()
  const { path, servedMarkFile } = sqlitePaths(directory)
  const store = sqliteStore(directory)
  await store.start()
  await store.log.append([1, 2, 3, 4].map((number) => storedMessage(number)))
  await store.stop()
  const database = new DatabaseSync(path)
  const root = Number(database.prepare('SELECT "rootpage" FROM "sqlite_schema" WHERE "name" = ?').get(index)?.['rootpage'])
  database.close()
  const bytes = await readFile(path)
  // The number of cells of a page is in the third byte of its header, big endian.
  const at = (root - 1) * pageBytes + 3
  bytes.writeUInt16BE(bytes.readUInt16BE(at) - 1, at)
  await writeFile(path, bytes)
  const init = { url: `file:${path}`, servedMarkFile }
  return { store, check: (repair: boolean) => check(init, { repair }) }
}

test.each(['Message_id_key', 'Message_topic_seq_idx'])('a check finds rows that %s lacks, and a repair makes it anew', async (index) => {
  const { store, check } = await withoutEntry(index)
  expect((await check(false)).brokenPages.join()).toContain(`missing from index ${index}`)
  expect(await check(true)).toMatchObject({ brokenPages: [], messages: 4, damaged: [] })
  expect(await check(false)).toMatchObject({ brokenPages: [], messages: 4 })
  await store.start()
  expect(await store.log.get(storedMessage(4).id)).toMatchObject({ seq: 4 })
  const topics = { exact: ['orders'], patterns: [] }
  expect((await store.log.read({ after: 0, order: 'asc', limit: 10, topics })).messages).toHaveLength(4)
  await store.stop()
})

test('what came in again, since its id was not found, is there once after a repair', async () => {
  const { store, check } = await withoutEntry('Message_id_key')
  await store.start()
  expect((await store.log.append([storedMessage(4)])).entries).toMatchObject([{ known: false, message: { seq: 5 } }])
  await store.stop()
  expect(await check(true)).toMatchObject({ brokenPages: [], messages: 4, damaged: [] })
  await store.start()
  expect(await store.log.get(storedMessage(4).id)).toMatchObject({ seq: 4 })
  expect(await store.topics.get('orders')).toMatchObject({ messages: 4, latest: 4 })
  expect((await store.log.append([storedMessage(4), storedMessage(6)])).entries).toMatchObject([{ known: true }, { message: { seq: 6 } }])
  await store.stop()
})
