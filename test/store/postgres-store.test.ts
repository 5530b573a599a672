import { join } from 'node:path'
import { describe } from 'vitest'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { describeStore } from '../compliance/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { spoiling } from '../fixtures/spoiling.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const server = postgresForTests({ fsync: false })

describe.skipIf(!hasPostgres)('with a server (needs PostgreSQL)', () => {
  describeStore('PostgreSQL', async () => {
    const url = await server().createDatabase()
    const servedMarkFile = join(await temporaryDirectory(), 'served')
    return {
      open: () => createPostgresStore({ url, servedMarkFile, migrate: true }, { logger: silentLog }),
      async spoil(what) {
        const [sql, ...values] = spoiling(what, (length) => `decode(repeat('00', (${length})::integer), 'hex')`)
        await server().query(url, sql, values)
      },
    }
  })
})
