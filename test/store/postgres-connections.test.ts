import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { StoreUnavailable } from '../../src/errors.ts'
import { openPostgresDatabase } from '../../src/store/postgres/database.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'

const server = postgresForTests()

test.skipIf(!hasPostgres)(
  'a connection that breaks between two queries of a transaction fails it, and ends no process (needs PostgreSQL)',
  async () => {
    const url = await server().createDatabase()
    const broken = Promise.withResolvers<void>()
    const logger = pino(
      { level: 'debug' },
      { write: (line: string) => line.includes('a connection to the database broke') && broken.resolve() },
    )
    const uncaught: unknown[] = []
    const note = (error: unknown) => {
      uncaught.push(error)
      broken.resolve()
    }
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', note)
    onTestFinished(() => {
      process.removeListener('uncaughtException', note)
      for (const listener of others) process.on('uncaughtException', listener)
    })
    const database = openPostgresDatabase(url, { logger })
    onTestFinished(() => database.close())
    const doomed = database.transaction(async (query) => {
      await query('SELECT 1')
      await server().disconnect(url)
      await broken.promise
      await query('SELECT 1')
    })
    await expect(doomed).rejects.toThrow(StoreUnavailable)
    expect(uncaught).toEqual([])
    expect(await database.transaction((query) => query('SELECT 1'))).toEqual([[1]])
  },
)
