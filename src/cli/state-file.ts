import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { exitCodes } from './exit-codes.ts'
import { CommandFailed } from './failures.ts'

/**
 * The position of a follower in a file. It is written in place and in one call, right after the message was printed, so
 * that a kill leaves the position before or after: at most one message is printed again. A crash of the machine can
 * bring back more, as the file is not synced.
 */
export interface StateFile {
  /** The position of the last run, if there was one. */
  readonly cursor: string | undefined
  save(cursor: string): void
  close(): void
}

/** Longer than any cursor: the same bytes are overwritten each time. */
const width = 100

/** @throws CommandFailed when there is a file that is no state */
export function openState(path: string): StateFile {
  const file = openSync(path, 'a+', 0o600)
  const text = readFileSync(file, 'utf8').trim()
  if (!/^[\w.-]*$/.test(text) || text.length > width) {
    closeSync(file)
    throw new CommandFailed(`${path} is not a position of a follower: name another file, or remove it.`, exitCodes.usage)
  }
  closeSync(file)
  const written = openSync(path, 'r+')
  return {
    cursor: text === '' ? undefined : text,
    save: (cursor) => void writeSync(written, `${cursor.padEnd(width)}\n`, 0),
    close: () => closeSync(written),
  }
}
