import { DatabaseSync } from 'node:sqlite'
import { describeStore } from '../compliance/store.ts'
import { spoiling } from '../fixtures/spoiling.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

describeStore('SQLite', async () => {
  const directory = await temporaryDirectory()
  return {
    open: () => sqliteStore(directory),
    async spoil(what) {
      const database = new DatabaseSync(sqlitePaths(directory).path)
      const [sql, ...values] = spoiling(what, (length) => `zeroblob(${length})`)
      database.prepare(sql.replaceAll(/\$\d/g, '?')).run(...values)
      database.close()
    },
  }
})
