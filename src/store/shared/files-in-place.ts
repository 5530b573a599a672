import { statSync } from 'node:fs'
import { DatabaseGone } from '../../errors.ts'

/** Files that are open, and must stay where they are: what is written to one that was deleted is gone with the process. */
export interface FilesInPlace {
  /** Costs one call of stat for each. @throws DatabaseGone when one of them was deleted or replaced */
  check(): void
}

/** Remembers what is at these paths now, right after they were opened; what is not there is not looked at. */
export function watchFiles(paths: string[]): FilesInPlace {
  const files = paths.flatMap((path) => {
    const identity = identityOf(path)
    return identity === undefined ? [] : { path, identity }
  })
  return {
    check() {
      const moved = files.find(({ path, identity }) => identityOf(path) !== identity)
      if (moved === undefined) return
      throw new DatabaseGone('Files of this gateway were deleted or replaced while it ran. An operator has to restart it.', {
        cause: new Error(`${moved.path} is no longer the file that is open; restart the gateway, after restoring a backup if need be`),
      })
    },
  }
}

/** A file by device and inode, wherever its path leads by now. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}
