import { createHash } from 'node:crypto'
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeDirectory, StartupError } from '../../lib/startup-error.ts'
import type { Seq } from '../../model/cursor.ts'

/**
 * How far each log was served. Kept outside the database, so that a database that fell behind is detected. One
 * fixed-length line per epoch, so that restoring the same backup a second time is detected too. A write is one
 * positional write without fsync: it outlives the process, and when the machine fails, the log, which is synced to
 * disk, is not behind it. A torn or unreadable line counts as absent.
 */
export interface ServedMarks {
  /** The newest seq served from this epoch; 0 when unknown. */
  tip(epoch: string): Seq
  /** All known marks, by epoch. */
  readonly tips: ReadonlyMap<string, Seq>
  write(epoch: string, tip: Seq): void
  close(): void
}

/** Length of a line: an epoch of 32, a seq of 16 and a checksum of 16 characters, with room to spare. */
const lineBytes = 96

export function openServedMarks(path: string): ServedMarks {
  makeDirectory(dirname(path), 'PEERGATE_DATA_DIR')
  const descriptor = openMarks(path)
  const content = readFileSync(path, 'latin1')
  const lines = new Map<string, { offset: number; tip: Seq }>()
  for (let offset = 0; offset < content.length; offset += lineBytes) {
    const mark = parse(content.slice(offset, offset + lineBytes))
    if (mark !== undefined) lines.set(mark.epoch, { offset, tip: mark.tip })
  }
  let end = Math.ceil(content.length / lineBytes) * lineBytes

  function lineOf(epoch: string): { offset: number; tip: Seq } {
    const known = lines.get(epoch)
    if (known !== undefined) return known
    const line = { offset: end, tip: 0 }
    lines.set(epoch, line)
    end += lineBytes
    return line
  }

  return {
    tip: (epoch) => lines.get(epoch)?.tip ?? 0,
    get tips() {
      return new Map([...lines].map(([epoch, { tip }]) => [epoch, tip]))
    },
    write(epoch, tip) {
      const line = lineOf(epoch)
      line.tip = tip
      writeSync(descriptor, format(epoch, tip), line.offset)
    },
    close: () => closeSync(descriptor),
  }
}

/** @throws StartupError */
function openMarks(path: string): number {
  try {
    // Created when missing, never truncated: 'r+' alone would not create it, 'w+' would truncate it.
    return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StartupError(
      `The file ${path} can't be written (${reason}). Make the gateway's user the owner of the file and its directory (PEERGATE_DATA_DIR).`,
      { cause },
    )
  }
}

function format(epoch: string, tip: Seq): string {
  const content = `${epoch} ${tip}`
  return `${`${content} ${checksum(content)}`.padEnd(lineBytes - 1)}\n`
}

function parse(line: string): { epoch: string; tip: Seq } | undefined {
  const [epoch = '', tip = '', sum] = line.trim().split(' ')
  return sum === checksum(`${epoch} ${tip}`) ? { epoch, tip: Number(tip) } : undefined
}

function checksum(content: string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}
