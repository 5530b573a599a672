import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DatabaseDamaged } from '../../src/errors.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { stateCodeOf } from '../../src/store/shared/unavailable.ts'
import { silentLog } from '../fixtures/log.ts'
import { newMessage } from '../fixtures/messages.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const server = postgresForTests()

const pageBytes = 8_192

describe.skipIf(!hasPostgres)('pages of PostgreSQL that a disk has changed (needs PostgreSQL)', () => {
  test('are told by one name: those whose checksum does not fit (XX001), and those that an index can not have (XX002)', async () => {
    const url = await server().createDatabase()
    const store = createPostgresStore(
      { url, servedMarkFile: join(await temporaryDirectory(), 'served'), migrate: true },
      { logger: silentLog },
    )
    await store.start()
    onTestFinished(() => store.stop())
    const messages = Array.from({ length: 3 }, () => newMessage('a'))
    await store.log.append(messages)
    const id = messages[0]?.id ?? ''

    /** Fills a page of a relation while the server is away, whose log has no other copy of it after a checkpoint. */
    async function overwrite(relation: string, block: number, byte: number): Promise<void> {
      const [row] = await server().query(url, `SELECT current_setting('data_directory') AS dir, pg_relation_filepath($1) AS file`, [
        relation,
      ])
      await server().query(url, 'CHECKPOINT')
      await server().kill()
      const file = await open(join(String(row?.['dir']), String(row?.['file'])), 'r+')
      await file.write(Buffer.alloc(pageBytes, byte), 0, pageBytes, block * pageBytes)
      await file.close()
      await server().start()
      // Connections of before have ended.
      await expect
        .poll(() =>
          store.tokens.list().then(
            () => true,
            () => false,
          ),
        )
        .toBe(true)
    }
    /** What a read fails with. */
    async function failure(read: () => Promise<unknown>): Promise<unknown> {
      const error = await read().then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(DatabaseDamaged)
      return stateCodeOf(error)
    }

    expect(store.isDamaged()).toBe(false)
    // The root of an index is the page behind its first, as long as it has no more.
    await overwrite('"Message_id_key"', 1, 0)
    expect(await failure(() => store.log.get(id))).toBe('XX002')
    expect(await failure(() => store.log.append([newMessage('a')]))).toBe('XX002')
    expect((await store.log.read({ after: 0, order: 'asc', limit: 10 })).messages).toHaveLength(3)
    expect(store.isDamaged()).toBe(true)

    await server().query(url, 'REINDEX INDEX "Message_id_key"')
    expect(await store.log.get(id)).toMatchObject({ seq: 1 })
    await overwrite('"Message"', 0, 0xa5)
    expect(await failure(() => store.log.read({ after: 0, order: 'asc', limit: 10 }))).toBe('XX001')
    expect(await failure(() => store.log.get(id))).toBe('XX001')
    // By Prisma, too.
    await store.peers.save([{ peerId: 'p', multiaddrs: [], source: 'learnt', seenAt: 1 }])
    await overwrite('"Peer"', 0, 0xa5)
    expect(await failure(() => store.peers.list({ limit: 10 }))).toBe('XX001')
  })
})
