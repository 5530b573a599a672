import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Creates a directory and its parents, accessible to their owner only. Once it returns, they survive a power loss:
 * POSIX guarantees a name only after an fsync of the directory that contains it.
 */
export function makeDurableDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let made = resolve(path); made !== top; made = dirname(made)) syncDirectory(dirname(made))
}

/**
 * Syncs the names in a directory to disk, if the directory is readable and its file system supports it; otherwise the
 * system syncs them in its own time.
 */
export function syncDirectory(path: string): void {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    fsyncSync(descriptor)
  } catch {
    // For example on Windows, or for a directory that is writable but not readable.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
