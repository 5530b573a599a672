import { join } from 'node:path'
import { createSqliteStore } from '../../src/store/prisma-store/sqlite-store.ts'
import { describeStore } from '../compliance/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

describeStore('SQLite', async () => {
  const directory = await temporaryDirectory()
  const init = { path: join(directory, 'peergate.db'), servedMarkFile: join(directory, 'served'), migrate: true }
  return { open: () => createSqliteStore(init, { log: silentLog }) }
})
