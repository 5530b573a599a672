import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory and those above it, readable by their owner only. When it returns, a loss of power leaves them where they are: POSIX
 * promises a name only with an fsync of the directory that it is in.
 */
export function makeDurableDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let made = resolve(path); made !== top; made = dirname(made)) syncDirectory(dirname(made))
}

/** Forces the names in a directory to the disk, where it may be read and its file system can: others keep them in their own time. */
export function syncDirectory(path: string): void {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    fsyncSync(descriptor)
  } catch {
    // Such as Windows, and a directory that may be written and not read.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
