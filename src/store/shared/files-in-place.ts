import { statSync } from 'node:fs'
import { DatabaseGone } from '../../errors.ts'

/** Open files that must stay in place: data written to a deleted file is lost when the process ends. */
export interface FilesInPlace {
  /** Costs one `stat` call per file. @throws DatabaseGone when a file was deleted or replaced */
  check(): void
}

/** Remembers the files at these paths; call it right after they were opened. Missing files are ignored. */
export function watchFiles(paths: string[]): FilesInPlace {
  const files = paths.flatMap((path) => {
    const identity = identityOf(path)
    return identity === undefined ? [] : { path, identity }
  })
  return {
    check() {
      const moved = files.find(({ path, identity }) => identityOf(path) !== identity)
      if (moved === undefined) return
      throw new DatabaseGone('Files of this gateway were deleted or replaced while it was running. An operator has to restart it.', {
        cause: new Error(`${moved.path} is no longer the open file; restart the gateway, after restoring a backup if needed`),
      })
    },
  }
}

/** Identifies a file by device and inode, independent of its path. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}
