import { describe, expect, test, vi } from 'vitest'
import { type BatchQueueItem, createBatchQueue } from '../../src/log/batch-queue.ts'

const limits = { maxInboxMessages: 16, maxInboxBytes: 1_600, clientSharePercent: 25, validateTimeoutMs: 60_000, maxTopicInboxBytes: 1_600 }
const item = (holder: string, fields: Partial<BatchQueueItem> = {}): BatchQueueItem => ({
  holder,
  isForeign: false,
  messages: 1,
  bytes: 10,
  ...fields,
})

/** An inbox, and how to put in as many as fit. */
function setUp() {
  const inbox = createBatchQueue<BatchQueueItem>(limits)
  const fill = (next: BatchQueueItem): number => {
    let count = 0
    for (; inbox.fits(next); count++) inbox.push(next)
    return count
  }
  return { inbox, fill }
}

describe('the inbox', () => {
  test('maxInboxMessages: a publisher at full speed leaves room for others', async () => {
    const { inbox, fill } = setUp()
    expect(fill(item('greedy'))).toBe(12)
    expect(fill(item('other'))).toBe(4)
    expect((await inbox.take(16))?.length).toBe(16)
    inbox.push(item('other'))
    expect(fill(item('greedy'))).toBe(4)
    expect([inbox.size, inbox.bytes]).toEqual([5, 50])
  })

  test('what is pushed in one turn of the event loop is taken together', async () => {
    const { inbox } = setUp()
    const taken = inbox.take(16)
    inbox.push(item('one'))
    await Promise.resolve()
    inbox.push(item('other'))
    expect((await taken)?.map(({ holder }) => holder)).toEqual(['one', 'other'])
  })

  test('maxInboxBytes: large messages count by their bytes', () => {
    const { inbox, fill } = setUp()
    inbox.push(item('other'))
    expect(fill(item('greedy', { bytes: 150 }))).toBe(2)
    expect(inbox.fits(item('other', { bytes: 300 }))).toBe(true)
  })

  test('takes at once what is more than a share, of a holder that has nothing there', () => {
    const { inbox } = setUp()
    inbox.push(item('other'))
    expect(inbox.fits(item('batch', { messages: 10, bytes: 1_000 }))).toBe(true)
    inbox.push(item('batch', { messages: 10, bytes: 1_000 }))
    expect(inbox.fits(item('batch'))).toBe(false)
  })

  test('keeps a quarter for clients when authors of the network fill it', () => {
    const { inbox, fill } = setUp()
    const foreign = { isForeign: true }
    expect(fill(item('author a', foreign))).toBe(12)
    expect(inbox.fits(item('author b', foreign))).toBe(false)
    expect(fill(item('tok_1'))).toBe(4)
  })

  test('programs of this host may fill it', () => {
    const { inbox, fill } = setUp()
    inbox.push(item('other'))
    expect(fill(item('local'))).toBe(15)
  })
})

const wide = { ...limits, maxInboxMessages: 100, maxInboxBytes: 1_000 }
const unit = (more: Partial<BatchQueueItem> = {}): BatchQueueItem => ({ holder: 'a', isForeign: false, messages: 1, bytes: 1, ...more })

/** An inbox in which two holders have something, so that nobody is alone. */
function shared() {
  const inbox = createBatchQueue(wide)
  inbox.push(unit({ holder: 'b' }))
  inbox.push(unit())
  return inbox
}

test('a holder has a quarter of the messages, and of the bytes, while others wait too', () => {
  const inbox = shared()
  expect([inbox.fits(unit({ messages: 24 })), inbox.fits(unit({ messages: 25 }))]).toEqual([true, false])
  expect([inbox.fits(unit({ bytes: 249 })), inbox.fits(unit({ bytes: 250 }))]).toEqual([true, false])
})

test('nobody, and nothing in all, goes beyond the bounds of messages and of bytes', () => {
  const inbox = createBatchQueue(wide)
  for (const holder of ['a', 'b', 'c', 'd']) inbox.push(unit({ holder, messages: 25, bytes: 250 }))
  expect([inbox.size, inbox.bytes]).toEqual([100, 1_000])
  expect(inbox.fits(unit({ holder: 'e', bytes: 0 }))).toBe(false)
  expect(inbox.fits(unit({ holder: 'e', messages: 0 }))).toBe(false)
})

test('what comes from the network leaves a quarter to the clients, whoever wrote it, and has room again when it was taken', async () => {
  const inbox = createBatchQueue(wide)
  for (const holder of ['a', 'b', 'c']) inbox.push(unit({ holder, isForeign: true, messages: 25, bytes: 1 }))
  expect(inbox.fits(unit({ holder: 'd', isForeign: true }))).toBe(false)
  expect(inbox.fits(unit({ holder: 'd', messages: 25 }))).toBe(true)
  expect(await inbox.take(25)).toHaveLength(1)
  expect([inbox.size, inbox.bytes]).toEqual([50, 2])
  expect(inbox.fits(unit({ holder: 'd', isForeign: true, messages: 25 }))).toBe(true)
  expect(inbox.fits(unit({ holder: 'd', isForeign: true, messages: 25, bytes: 749 }))).toBe(false)
})

test('a batch has as many messages as are asked for, whole items, and at least one', async () => {
  const inbox = createBatchQueue(wide)
  for (const messages of [5, 2, 2]) inbox.push(unit({ messages }))
  expect((await inbox.take(4))?.map(({ messages }) => messages)).toEqual([5])
  expect((await inbox.take(4))?.map(({ messages }) => messages)).toEqual([2, 2])
  expect([inbox.size, inbox.bytes]).toEqual([0, 0])
})

test('its reader is woken by the next item, and by the end, before which it finishes what is there', async () => {
  const inbox = createBatchQueue(wide)
  const waiting = inbox.take(10)
  inbox.push(unit())
  expect(await waiting).toHaveLength(1)
  inbox.push(unit())
  inbox.close()
  expect(inbox.fits(unit())).toBe(false)
  expect(await inbox.take(10)).toHaveLength(1)
  expect(await inbox.take(10)).toBeUndefined()
  const empty = createBatchQueue(wide)
  const ending = empty.take(10)
  empty.close()
  expect(await ending).toBeUndefined()
})

describe('what comes from the network and does not fit', () => {
  const foreign = (holder: string, more: Partial<BatchQueueItem> = {}) => unit({ holder, isForeign: true, ...more })

  /** With so many messages of an author that the network has its part. */
  function full() {
    const inbox = createBatchQueue<BatchQueueItem & { name?: string }>({ ...wide, maxInboxMessages: 8, validateTimeoutMs: 20 })
    for (let count = 0; count < 6; count++) inbox.push(foreign('a'))
    return inbox
  }

  test('waits for its turn: of each holder one, in the order of each, until everything is in', async () => {
    const inbox = createBatchQueue<BatchQueueItem & { name?: string }>({ ...wide, maxInboxMessages: 8 })
    for (let count = 0; count < 6; count++) inbox.push(foreign('a'))
    const waiting = ['a1', 'a2', 'b1', 'b2', 'c1'].map((name) => inbox.pushWhenFits({ ...foreign(name.slice(0, 1)), name }))
    expect(inbox.room('d')).toBeInstanceOf(Promise)
    const names: unknown[] = []
    for (let left = 11; left > 0; left -= 3) for (const { name } of (await inbox.take(3)) ?? []) if (name !== undefined) names.push(name)
    expect(await Promise.all(waiting)).toEqual([true, true, true, true, true])
    expect(names.toSorted()).toEqual(['a1', 'a2', 'b1', 'b2', 'c1'])
    expect(names.indexOf('a1')).toBeLessThan(names.indexOf('a2'))
    expect(names.indexOf('b1')).toBeLessThan(names.indexOf('b2'))
    expect(names.indexOf('c1')).toBeLessThan(names.indexOf('a2'))
  })

  test('is let in as far as there is room, and not before what waits of its holder', async () => {
    const inbox = full()
    const large = inbox.pushWhenFits(foreign('b', { bytes: 700 }))
    const rest = [inbox.pushWhenFits(foreign('b')), inbox.pushWhenFits(foreign('b'))]
    await inbox.take(6)
    expect([inbox.size, inbox.bytes]).toEqual([3, 702])
    expect(await Promise.all([large, ...rest])).toEqual([true, true, true])
    const bytes = createBatchQueue<BatchQueueItem & { name?: string }>(wide)
    bytes.push(foreign('a'))
    const waiting = bytes.pushWhenFits({ ...foreign('a', { bytes: 900 }), name: 'large' })
    const behind = bytes.pushWhenFits({ ...foreign('a'), name: 'small' })
    expect(bytes.size).toBe(1)
    await bytes.take(1)
    expect(await waiting).toBe(true)
    expect((await bytes.take(1))?.map(({ name }) => name)).toEqual(['large'])
    expect(await behind).toBe(true)
  })

  test('validateTimeoutMs: is given up after it, and when the inbox is closed', async () => {
    const inbox = full()
    expect(await inbox.pushWhenFits(foreign('b'))).toBe(false)
    const late = createBatchQueue({ ...wide, maxInboxMessages: 1 })
    late.push(foreign('a'))
    const waiting = late.pushWhenFits(foreign('b'))
    late.close()
    expect(await waiting).toBe(false)
    expect(await late.pushWhenFits(foreign('b'))).toBe(false)
    expect(inbox.size).toBe(6)
  })

  test('of a holder that has its share is waited for by this holder alone', async () => {
    const inbox = createBatchQueue({ ...wide, maxInboxMessages: 8 })
    inbox.push(foreign('b'))
    expect(await inbox.pushWhenFits(foreign('a'))).toBe(true)
    expect(await inbox.pushWhenFits(foreign('a'))).toBe(true)
    const third = inbox.pushWhenFits(foreign('a'))
    const room = inbox.room('a')
    expect(room).toBeInstanceOf(Promise)
    expect(inbox.room('b')).toBeUndefined()
    expect(await inbox.pushWhenFits(foreign('b'))).toBe(true)
    await inbox.take(2)
    expect(await third).toBe(true)
    await room
    expect(inbox.room('a')).toBeUndefined()
  })

  test('leaves no room for more: nor do bytes of which few topics have as many, or clients that have taken everything', async () => {
    expect(full().room('b')).toBeInstanceOf(Promise)
    const bytes = createBatchQueue({ ...wide, maxTopicInboxBytes: 400 })
    bytes.push(foreign('a', { bytes: 100 }))
    expect(bytes.room('b')).toBeUndefined()
    bytes.push(foreign('a'))
    expect(bytes.room('b')).toBeInstanceOf(Promise)
    const own = createBatchQueue({ ...wide, maxInboxMessages: 8 })
    for (let count = 0; count < 8; count++) own.push(unit({ holder: 'local' }))
    const room = own.room('b')
    await own.take(1)
    await room
    expect(own.room('b')).toBeUndefined()
  })

  test('has no room either while what is there waits for more than a second', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const inbox = createBatchQueue(wide)
      for (let count = 0; count < 3; count++) inbox.push(foreign('a'))
      expect(inbox.room('b')).toBeUndefined()
      vi.advanceTimersByTime(1_001)
      await inbox.take(1)
      expect(inbox.room('b')).toBeInstanceOf(Promise)
      await inbox.take(2)
      expect(inbox.room('b')).toBeUndefined()
    } finally {
      vi.useRealTimers()
    }
  })
})
