import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StoreUnavailable } from '../../errors.ts'
import { syncDirectory } from '../../lib/durable-directory.ts'

/**
 * Brings commits to the disk beside the event loop, many with one fsync. A commit with `synchronous=NORMAL` appends to the
 * WAL and returns; the fsync, which takes as long as the disk likes, runs in libuv's pool, and covers all that was
 * committed before it began. SQLite recovers the WAL up to its last whole transaction, so what is on the disk is always
 * a prefix of the commits (https://www.sqlite.org/wal.html).
 *
 * A commit is visible to readers before it is on the disk. So every answer of the store waits for it, reads too.
 */
export interface WalSync {
  /** Notes a commit that must be on the disk before anything is answered. */
  committed(): void
  /** Resolves once all noted commits are on the disk. @throws StoreUnavailable for good, once the disk has failed */
  reached(): Promise<void>
  /** Brings what was noted to the disk. Call it before the last connection is closed. */
  close(): Promise<void>
}

export interface WalSyncComponents {
  /** Forces the WAL to the disk. Default: by `fdatasync` of the file. */
  forceWal?: (() => Promise<void>) | undefined
  /** After each fsync. */
  onSynced?(): void
  /**
   * The disk has not kept what was written. Another fsync would prove nothing: the system forgets which pages it could not
   * write (https://www.usenix.org/conference/atc20/presentation/rebello). Only a restart knows again what is on the disk.
   */
  onFailed(error: StoreUnavailable): void
}

/** @param path the database's; its WAL exists when the first commit is noted */
export function createWalSync(path: string, components: WalSyncComponents): WalSync {
  const { forceWal = forceFile, onSynced = () => undefined, onFailed } = components
  let file: Promise<FileHandle> | undefined
  let noted = 0
  let synced = 0
  let running: Promise<void> | undefined
  let failure: StoreUnavailable | undefined

  async function forceFile(): Promise<void> {
    file ??= openWal(`${path}-wal`)
    await (await file).datasync()
  }

  async function syncOnce(): Promise<void> {
    const through = noted
    try {
      await forceWal()
    } catch (cause) {
      failure = new StoreUnavailable('The disk of the database has failed. The gateway has to be restarted.', { cause })
      onFailed(failure)
      throw failure
    }
    synced = through
    onSynced()
  }

  async function reached(): Promise<void> {
    const target = noted
    while (synced < target && failure === undefined) {
      running ??= syncOnce().finally(() => {
        running = undefined
      })
      await running
    }
    if (failure !== undefined) throw failure
  }

  return {
    committed() {
      noted++
    },
    reached,
    async close() {
      await reached().catch(() => undefined)
      await (await file?.catch(() => undefined))?.close()
    },
  }
}

async function openWal(path: string): Promise<FileHandle> {
  // The name of the WAL must be on the disk too. It is never replaced while the database is open.
  syncDirectory(dirname(path))
  return await open(path, 'r+')
}
