import { describeStore } from '../compliance/store.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqliteStore } from './sqlite-place.ts'

describeStore('SQLite', async () => {
  const directory = await temporaryDirectory()
  return { open: () => sqliteStore(directory) }
})
