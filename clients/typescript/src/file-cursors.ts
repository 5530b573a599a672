import { open, readFile, rename } from 'node:fs/promises'
import type { CursorStore } from './cursors.ts'

/**
 * A cursor in a file of its own, for Node.js. The file is replaced as a whole, so a crash leaves the old cursor or the new one.
 * One process at a time may use it.
 */
export function fileCursors(path: string): CursorStore {
  return {
    async load() {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return ''
        throw error
      })
      return text.trim() || undefined
    },
    async save(cursor) {
      const next = `${path}.next`
      const file = await open(next, 'w')
      try {
        await file.writeFile(`${cursor}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(next, path)
    },
  }
}
