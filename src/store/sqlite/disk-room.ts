import { closeSync, openSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import { DatabaseFull } from '../../errors.ts'
import { asUnavailable } from '../shared/unavailable.ts'
import type { SqliteDatabase } from './database.ts'

/**
 * Room on the disk for what has to go on when it is full: changes of an operator, and the removal of what topics no longer keep. SQLite
 * deletes by writing (to the WAL), and copies the WAL into the database by growing that, so without room neither works.
 *
 * A file beside the database, the reserve, holds that room. A write that finds none gets it: the reserve is removed, the WAL is copied and
 * cut, the write runs again, and the reserve is written anew from what is left. From then on, while the disk is *tight*, appends get no
 * pages but those that deletions have left in the database, so that the WAL can always be copied.
 */
export interface DiskRoom {
  /** Runs a write; makes room and runs it again when there was none. `grows`: an append. @throws DatabaseFull */
  write<Result>(work: () => Result, options?: { grows: boolean }): Result
  /** The same of what another connection writes. */
  writeAsync<Result>(work: () => Promise<Result>): Promise<Result>
  /** Writes the reserve as far as there is room. */
  hold(): void
  /** Whether an append would find room. @throws DatabaseFull */
  check(): void
}

/** Bytes of the reserve, and part of the disk where that is less. */
const reserveBytes = 25_165_824
const diskPart = 1 / 16
/** Part of the reserve that the WAL grows to before it is copied, as the database may have to grow by as much then. */
const walPart = 2 / 3
/** Part of what is available that the reserve takes; the WAL has the rest. */
const heldPart = 2 / 3
/** The disk is no longer tight when this multiple of the reserve is available, the reserve included. */
const roomyReserves = 3
/** Bytes that SQLite needs to open a database: the index of its WAL, and the first pages of that. */
const openingBytes = 262_144
const pageBytes = 4_096
/** Free pages of the database that an append should find. */
const appendPages = 64
/** Milliseconds between two times that room is made for appends: each may write the reserve anew. */
const pauseMs = 1_000
/** Milliseconds after which a client may try again. */
const retryAfterMs = 5_000
/** No bound: the largest that SQLite has. */
const anyPages = 4_294_967_294

const fullWords = 'the disk of the database is full: messages get no room but what deletions leave in the database'

/** Lets a database be opened on a full disk, by the room of its reserve; answers whether that was needed. */
export function makeRoomToOpen(path: string): boolean {
  const isTight = diskOf(path).available < openingBytes
  if (isTight) removeReserve(path)
  return isTight
}

/** @param init.tight whether the disk was full before the database was opened */
export function createDiskRoom(init: { path: string; tight: boolean }, components: { writer: SqliteDatabase; logger: Logger }): DiskRoom {
  const { path } = init
  const { writer, logger } = components
  writer.row(`PRAGMA wal_autocheckpoint = ${Math.max(1, Math.floor((diskOf(path).reserve * walPart) / pageBytes))}`)
  let { tight } = init
  /** Whether the WAL was copied since: otherwise an append would take the room that deletions need in it. */
  let copied = true
  let capped: boolean | undefined
  let madeAt = Number.NEGATIVE_INFINITY
  if (tight) {
    logger.warn({ path }, fullWords)
    writeReserve(path)
  }

  function pragma(name: string): number {
    return Number(Object.values(writer.row(`PRAGMA ${name}`) ?? {})[0] ?? 0)
  }

  /** Copies the WAL into the database and gives its room back; answers whether all of it was, which may need more room than there is. */
  function copyWal(): boolean {
    const growth = pragma('page_count') * pageBytes - sizeOf(path)
    if (growth > diskOf(path).available) return false
    try {
      return Number(writer.row('PRAGMA wal_checkpoint(TRUNCATE)')?.['busy']) === 0
    } catch {
      return false
    }
  }

  function makeRoom(): void {
    if (!tight) logger.warn({ path }, fullWords)
    tight = true
    madeAt = performance.now()
    removeReserve(path)
    copied = copyWal()
  }

  function relax(): void {
    if (!tight) return
    const { available, reserve } = diskOf(path)
    if (available + sizeOf(reserveFile(path)) < roomyReserves * reserve) return
    logger.info({ path }, 'the disk of the database has room again')
    tight = false
    copied = true
    writeReserve(path)
  }

  function cap(grows: boolean): void {
    const isCapped = tight && grows
    if (isCapped === capped) return
    // SQLite takes the present size where that is more.
    writer.row(`PRAGMA max_page_count = ${isCapped ? 1 : anyPages}`)
    capped = isCapped
  }

  function isFull(error: unknown): boolean {
    return asUnavailable(error) instanceof DatabaseFull
  }

  return {
    write(work, { grows } = { grows: false }) {
      relax()
      const mayMakeRoom = !grows || performance.now() - madeAt >= pauseMs
      if (tight && grows && !copied && !mayMakeRoom) throw noRoom()
      const attempt = () => {
        cap(grows)
        return work()
      }
      try {
        return attempt()
      } catch (error) {
        if (!isFull(error)) throw error
      }
      // The WAL may have had all the room that there is.
      if (tight && copied && copyWal()) {
        try {
          return attempt()
        } catch (error) {
          if (!isFull(error)) throw error
        }
      }
      if (!mayMakeRoom) throw noRoom()
      makeRoom()
      try {
        if (grows && !copied) throw noRoom()
        return attempt()
      } finally {
        writeReserve(path)
      }
    },
    async writeAsync(work) {
      try {
        return await work()
      } catch (error) {
        if (!isFull(error)) throw error
        makeRoom()
        return await work().finally(() => writeReserve(path))
      }
    },
    hold() {
      relax()
      writeReserve(path)
    },
    check() {
      if (tight && (!copied || pragma('freelist_count') < appendPages)) throw noRoom()
    },
  }
}

/** Writes zeros, since a file with a hole would hold no room: up to the size of the reserve, and not all that is available. */
export function writeReserve(path: string): void {
  const { available, reserve } = diskOf(path)
  const held = sizeOf(reserveFile(path))
  const bytes = Math.min(reserve, held + Math.floor(available * heldPart))
  if (held >= bytes) return
  const zeros = Buffer.alloc(1_048_576)
  try {
    const file = openSync(reserveFile(path), 'a', 0o600)
    try {
      for (let size = held; size < bytes; ) size += writeSync(file, zeros, 0, Math.min(zeros.length, bytes - size))
    } finally {
      closeSync(file)
    }
  } catch {
    // Others have taken it meanwhile: what was written counts.
  }
}

function reserveFile(path: string): string {
  return `${path}-reserve`
}

function removeReserve(path: string): void {
  try {
    unlinkSync(reserveFile(path))
  } catch {
    // There was none.
  }
}

/** Bytes that are available on the file system of a database, and those that its reserve is to have. */
function diskOf(path: string): { available: number; reserve: number } {
  const { bsize, blocks, bavail } = statfsSync(dirname(path))
  return { available: bavail * bsize, reserve: Math.min(reserveBytes, Math.floor(blocks * bsize * diskPart)) }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function noRoom(): DatabaseFull {
  return new DatabaseFull('The disk of the database is full. It is read as before.', { retryAfterMs })
}
