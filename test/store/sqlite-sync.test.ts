import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { StoreUnavailable } from '../../src/errors.ts'
import { createWalSync } from '../../src/store/sqlite/wal-sync.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqliteStore } from './sqlite-place.ts'

/** A disk whose fsyncs end when they are told to. */
function slowDisk() {
  const waiting: Array<PromiseWithResolvers<void>> = []
  return {
    /** Fsyncs that have begun and not ended. */
    waiting,
    forceWal: async () => {
      const fsync = Promise.withResolvers<void>()
      waiting.push(fsync)
      await fsync.promise
    },
    end: () => waiting.shift()?.resolve(),
    fail: () => waiting.shift()?.reject(new Error('EIO')),
  }
}

function slowSync() {
  const disk = slowDisk()
  const failures: Error[] = []
  const sync = createWalSync('unused', { forceWal: disk.forceWal, onFailed: (error) => failures.push(error) })
  return { disk, failures, sync }
}

/** Which of these have come to an end. */
async function settled(...promises: Array<Promise<unknown>>): Promise<boolean[]> {
  const ends = promises.map(() => false)
  for (const [index, promise] of promises.entries()) {
    const end = () => {
      ends[index] = true
    }
    promise.then(end, end)
  }
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  return ends
}

describe('commits are brought to the disk', () => {
  test('by one fsync for all that were there when it began', async () => {
    const { disk, sync } = slowSync()
    await sync.reached()
    expect(disk.waiting).toHaveLength(0)
    sync.committed()
    sync.committed()
    const [first, second] = [sync.reached(), sync.reached()]
    expect(disk.waiting).toHaveLength(1)
    disk.end()
    await Promise.all([first, second])
    await sync.reached()
    expect(disk.waiting).toHaveLength(0)
  })

  test('by the next fsync, when one has begun before them', async () => {
    const { disk, sync } = slowSync()
    sync.committed()
    const earlier = sync.reached()
    sync.committed()
    const later = sync.reached()
    disk.end()
    expect(await settled(earlier, later)).toEqual([true, false])
    expect(disk.waiting).toHaveLength(1)
    disk.end()
    await later
  })

  test('before it is closed', async () => {
    const { disk, sync } = slowSync()
    sync.committed()
    const closed = sync.close()
    expect(await settled(closed)).toEqual([false])
    disk.end()
    await closed
  })

  test('or nobody is answered any more, whatever later fsyncs say', async () => {
    const { disk, failures, sync } = slowSync()
    sync.committed()
    const waiting = [sync.reached(), sync.reached()]
    disk.fail()
    for (const each of waiting) await expect(each).rejects.toThrow(StoreUnavailable)
    sync.committed()
    await expect(sync.reached()).rejects.toThrow(StoreUnavailable)
    expect(disk.waiting).toHaveLength(0)
    expect(failures).toHaveLength(1)
    await sync.close()
  })
})

describe('a SQLite store', () => {
  async function slowStore() {
    const disk = slowDisk()
    const state = { isSlow: false, lost: [] as string[] }
    const store = sqliteStore(await temporaryDirectory(), {
      forceWal: async () => (state.isSlow ? await disk.forceWal() : undefined),
      onLost: (reason) => state.lost.push(reason),
    })
    await store.start()
    onTestFinished(async () => {
      state.isSlow = false
      while (disk.waiting.length > 0) disk.end()
      await store.stop()
    })
    state.isSlow = true
    return { disk, state, store }
  }

  test('answers nothing that is not on the disk: neither what was written nor what was read', async () => {
    const { disk, store } = await slowStore()
    const { id } = storedMessage(1)
    const appended = store.log.append([storedMessage(1)])
    const reads = [
      store.log.get(id),
      store.log.read({ after: 0, order: 'asc', limit: 10, maxBytes: 1_000 }),
      store.log.position(),
      store.topics.get('orders'),
    ]
    expect(await settled(appended, ...reads)).toEqual([false, false, false, false, false])
    disk.end()
    expect(await settled(appended, ...reads)).toEqual([true, true, true, true, true])
    expect(await reads[0]).toMatchObject({ seq: 1 })
    expect(disk.waiting).toHaveLength(0)
  })

  test('answers at once what reads find when everything is on the disk', async () => {
    const { disk, store } = await slowStore()
    expect(await store.log.get(storedMessage(1).id)).toBeUndefined()
    expect(disk.waiting).toHaveLength(0)
  })

  test('answers nothing any more, and says that it is lost, when the disk has failed', async () => {
    const { disk, state, store } = await slowStore()
    const appended = store.log.append([storedMessage(1)])
    expect(await settled(appended)).toEqual([false])
    disk.fail()
    await expect(appended).rejects.toThrow(StoreUnavailable)
    await expect(store.log.get(storedMessage(1).id)).rejects.toThrow(StoreUnavailable)
    await expect(store.log.append([storedMessage(2)])).rejects.toThrow(StoreUnavailable)
    expect(state.lost).toEqual(['disk_failed'])
  })
})
