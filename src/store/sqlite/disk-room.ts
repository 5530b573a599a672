import { closeSync, openSync, statfsSync, statSync, truncateSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import { DatabaseFull } from '../../errors.ts'
import { asUnavailable } from '../shared/unavailable.ts'
import type { SqliteDatabase } from './database.ts'

/**
 * Space on the disk for work that has to continue when it is full: an operator's changes, and the enforcement of
 * retention. SQLite deletes by writing (to the WAL), and copies the WAL into the database by growing it, so without
 * space neither works.
 *
 * A file beside the database, the reserve, holds that space. A write that finds no space gets it: the reserve is
 * removed, the WAL is copied and truncated, the write runs again, and the reserve is rewritten from the space that is
 * left. From then on, while the disk is *tight*, appends use only pages that deletions freed in the database, so that
 * the WAL can always be copied.
 */
export interface DiskRoom {
  /** Pages of the WAL at which a commit copies it into the database. */
  readonly walPages: number
  /** Runs a write; when there is no space, makes some and runs it again. `grows`: an append. @throws DatabaseFull */
  write<Result>(work: () => Result, options?: { grows: boolean }): Result
  /** `write` for the writes of another connection. */
  writeAsync<Result>(work: () => Promise<Result>): Promise<Result>
  /** Writes the reserve, as far as there is space. */
  hold(): void
  /** Checks that an append would find space. @throws DatabaseFull */
  check(): void
}

/** Size of the reserve in bytes, and as a part of the disk; the smaller one applies. */
const reserveBytes = 25_165_824
const diskPart = 1 / 16
/** The WAL is copied when it reaches this part of the reserve, because the database may have to grow by as much. */
const walPart = 2 / 3
/** Part of the available space that the reserve takes; the rest is for the WAL. */
const heldPart = 2 / 3
/** The disk is no longer tight when this multiple of the reserve is available, the reserve included. */
const roomyReserves = 3
/** Bytes that SQLite needs to open a database: the WAL's index and its first pages. */
const openingBytes = 262_144
const pageBytes = 4_096
/** Minimum of free pages in the database for an append. */
const appendPages = 64
/** Milliseconds between two attempts to make space for appends: each may rewrite the reserve. */
const pauseMs = 1_000
/** Milliseconds after which a client may retry. */
const retryAfterMs = 5_000
/** SQLite's maximum: no limit. */
const anyPages = 4_294_967_294

const fullWords = 'the disk of the database is full: new messages only use space that deletions free in the database'

/** Frees the reserve when the disk is too full to open the database; returns whether that was needed. */
export function makeRoomToOpen(path: string): boolean {
  const isTight = diskOf(path).available < openingBytes
  if (isTight) removeReserve(path)
  return isTight
}

/** @param init.tight whether the disk was full before the database was opened */
export function createDiskRoom(init: { path: string; tight: boolean }, components: { writer: SqliteDatabase; logger: Logger }): DiskRoom {
  const { path } = init
  const { writer, logger } = components
  const walPages = Math.max(1, Math.floor((diskOf(path).reserve * walPart) / pageBytes))
  writer.row(`PRAGMA wal_autocheckpoint = ${walPages}`)
  let { tight } = init
  /**
   * Whether the WAL was copied since the disk became full: otherwise an append would take the WAL space that deletions
   * need.
   */
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

  /**
   * Copies the WAL into the database and truncates it; returns whether all of it was copied, which may need more space
   * than there is with the reserve.
   */
  function copyWal(): boolean {
    const growth = pragma('page_count') * pageBytes - sizeOf(path)
    const missing = growth - diskOf(path).available
    if (missing > 0 && !lendFromReserve(path, missing)) return false
    try {
      return Number(writer.row('PRAGMA wal_checkpoint(TRUNCATE)')?.['busy']) === 0
    } catch {
      return false
    } finally {
      if (missing > 0) writeReserve(path)
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
    logger.info({ path }, 'the disk of the database has space again')
    tight = false
    copied = true
    writeReserve(path)
  }

  function cap(grows: boolean): void {
    const isCapped = tight && grows
    if (isCapped === capped) return
    // SQLite uses the current size when it is larger.
    writer.row(`PRAGMA max_page_count = ${isCapped ? 1 : anyPages}`)
    capped = isCapped
  }

  function isFull(error: unknown): boolean {
    return asUnavailable(error) instanceof DatabaseFull
  }

  return {
    walPages,
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
      // The WAL may occupy all the available space.
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

/**
 * Writes zeros, since a sparse file would hold no space: up to the size of the reserve, and never all that is
 * available.
 */
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
    // The space was taken meanwhile: what was written counts.
  }
}

function reserveFile(path: string): string {
  return `${path}-reserve`
}

/** Makes the reserve smaller by some bytes; returns whether it had as many. */
function lendFromReserve(path: string, bytes: number): boolean {
  const left = sizeOf(reserveFile(path)) - bytes
  if (left < 0) return false
  truncateSync(reserveFile(path), left - (left % pageBytes))
  return true
}

function removeReserve(path: string): void {
  try {
    unlinkSync(reserveFile(path))
  } catch {
    // There was no reserve.
  }
}

/** Available bytes on the database's file system, and the target size of the reserve. */
function diskOf(path: string): { available: number; reserve: number } {
  const { bsize, blocks, bavail } = statfsSync(dirname(path))
  return { available: bavail * bsize, reserve: Math.min(reserveBytes, Math.floor(blocks * bsize * diskPart)) }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function noRoom(): DatabaseFull {
  return new DatabaseFull('The disk of the database is full. Reads still work.', { retryAfterMs })
}
