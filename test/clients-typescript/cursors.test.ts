import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CursorSaver } from '../../clients/typescript/src/cursor-saver.ts'
import { type CursorStore, memoryCursors, storageCursors } from '../../clients/typescript/src/cursors.ts'
import { fileCursors } from '../../clients/typescript/src/file-cursors.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

function mapStorage() {
  const values = new Map<string, string>()
  return { getItem: (key: string) => values.get(key) ?? null, setItem: (key: string, value: string) => void values.set(key, value) }
}

test.each<[string, () => Promise<() => CursorStore>]>([
  [
    'memory',
    async () => {
      const store = memoryCursors()
      return () => store
    },
  ],
  [
    'localStorage',
    async () => {
      const storage = mapStorage()
      return () => storageCursors(storage, 'orders')
    },
  ],
  [
    'a file',
    async () => {
      const path = join(await temporaryDirectory(), 'cursor')
      return () => fileCursors(path)
    },
  ],
])('a cursor in %s is there again, and none before the first', async (_, prepare) => {
  const open = await prepare()
  expect(await open().load()).toBeUndefined()
  await open().save('log.1')
  await open().save('log.2')
  expect(await open().load()).toBe('log.2')
})

test('a file of a cursor is replaced as a whole, over what a crash has left', async () => {
  const directory = await temporaryDirectory()
  const path = join(directory, 'cursor')
  await writeFile(`${path}.next`, 'half of a longer curs')
  await fileCursors(path).save('log.7')
  expect(await fileCursors(path).load()).toBe('log.7')
  expect(await readdir(directory)).toEqual(['cursor'])
})

test('a file that cannot be read is an error, not a first start', async () => {
  await expect(fileCursors(await temporaryDirectory()).load()).rejects.toMatchObject({ code: 'EISDIR' })
})

test('cursors of localStorage do not mix with those of another key', async () => {
  const storage = mapStorage()
  await storageCursors(storage, 'orders').save('log.1')
  expect(await storageCursors(storage, 'invoices').load()).toBeUndefined()
})

test('while a save runs only the newest cursor waits', async () => {
  const saved: string[] = []
  const gate = Promise.withResolvers<void>()
  const store: CursorStore = {
    load: async () => undefined,
    save: async (cursor) => {
      saved.push(cursor)
      await gate.promise
    },
  }
  const saver = new CursorSaver({ store, failed: () => {} })
  for (const cursor of ['log.1', 'log.2', 'log.3']) saver.save(cursor)
  gate.resolve()
  await saver.idle()
  expect(saved).toEqual(['log.1', 'log.3'])
})
