import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createAnnouncers } from '../../src/log/announcers.ts'
import { createAuthorOrder } from '../../src/log/author-order.ts'
import { firstDrawn, type SignedMessage, sequenceBytes } from '../../src/model/signed-message.ts'
import { leapClock } from '../fixtures/stand-still.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const { orderWaitMs, requestTimeoutMs } = defaultLimits

/** An order, and in which order it lets messages go. */
function createOrder(init: { limits?: Partial<typeof defaultLimits>; logged?: string[] } = {}) {
  const { limits, logged = [] } = init
  const order = createAuthorOrder(
    { limits: { ...defaultLimits, ...limits } },
    { log: { unknown: async (ids) => ids.filter((id) => !logged.includes(id)) } },
  )
  order.start()
  onTestFinished(() => order.stop())
  const gone: string[] = []
  async function come(id: string, bytes = 10): Promise<void> {
    await order.turn(messageOf(id, bytes), order.now())
    gone.push(id)
  }
  return {
    order,
    gone,
    /** Live messages come, one right after the other. */
    come: (...ids: string[]) => ids.forEach((id) => void come(id)),
    comeLarge: (bytes: number, ...ids: string[]) => ids.forEach((id) => void come(id, bytes)),
    async comePast(...ids: string[]) {
      await order.turnOfPast(ids.map((id) => messageOf(id, 10)))
      gone.push(...ids)
    },
    pass: (ms: number) => vi.advanceTimersByTimeAsync(ms),
  }
}

function messageOf(id: string, bytes: number): SignedMessage {
  const [from = '', number = '0'] = id.split('.')
  return { from, topic: 'orders', sequence: sequenceBytes(BigInt(number)), data: Buffer.alloc(bytes), signature: Buffer.alloc(64) }
}

test('a message waits for nothing while no earlier one of its author is known to be missing', () => {
  const { order } = createOrder()
  expect(order.turn(messageOf('a.2', 10), order.now())).toBeUndefined()
  order.expect(['a.3', 'b.1'], 'peer')
  expect(order.turn(messageOf('a.2', 10), order.now())).toBeUndefined()
  expect(order.turn(messageOf('a.3', 10), order.now())).toBeUndefined()
  order.settled(['a.3'])
  expect(order.turn(messageOf('a.4', 10), order.now())).toBeUndefined()
})

test('later messages of an author wait for an announced one, and come after it in order', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1', 'a.2'], 'peer')
  come('a.4', 'a.2', 'a.3', 'b.9')
  await pass(0)
  expect(gone).toEqual(['b.9'])
  come('a.1')
  await pass(0)
  expect(gone).toEqual(['b.9', 'a.1'])
  order.settled(['a.1'])
  await pass(0)
  expect(gone).toEqual(['b.9', 'a.1', 'a.2', 'a.3', 'a.4'])
})

test('orderWaitMs: a message that nobody sends after all delays each later one for no longer', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1'], 'peer')
  come('a.2')
  await pass(orderWaitMs / 2)
  come('a.3')
  await pass(orderWaitMs / 2 - 1)
  expect(gone).toEqual([])
  await pass(10)
  expect(gone).toEqual(['a.2'])
  await pass(orderWaitMs)
  expect(gone).toEqual(['a.2', 'a.3'])
  come('a.4')
  await pass(orderWaitMs)
  come('a.5')
  await pass(0)
  expect(gone).toEqual(['a.2', 'a.3', 'a.4', 'a.5'])
})

test('a message that its peer names once more is waited for as long again, others are not', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1', 'b.1', 'c.1'], 'peer')
  await pass(2 * orderWaitMs - 100)
  order.expect(['a.1'], 'peer')
  await pass(200)
  come('a.2', 'b.2')
  await pass(0)
  expect(gone).toEqual(['b.2'])
  order.settled(['a.1'])
  await pass(0)
  expect(gone).toEqual(['b.2', 'a.2'])
})

test('an announced message that the log has delays none', async () => {
  const { order, gone, come, pass } = createOrder({ logged: ['a.1', 'a.2'] })
  order.expect(['a.1', 'a.2', 'a.3'], 'peer')
  come('a.5')
  await pass(0)
  expect(gone).toEqual([])
  order.settled(['a.3'])
  await pass(0)
  expect(gone).toEqual(['a.5'])
})

test('held live messages come in order of their authors when the hold ends, and after some time by themselves', async () => {
  const { order, gone, come, comePast, pass } = createOrder()
  const hold = order.holdLive()
  order.expect(['c.1'], 'peer')
  come('a.3', 'b.2', 'a.2')
  await comePast('a.1', 'b.1')
  expect(gone).toEqual(['a.1', 'b.1'])
  hold[Symbol.dispose]()
  await pass(0)
  expect(gone).toEqual(['a.1', 'b.1', 'a.2', 'a.3', 'b.2'])
  order.holdLive()
  come('a.4')
  await pass(orderWaitMs - 1)
  expect(gone).not.toContain('a.4')
  await pass(10)
  expect(gone).toContain('a.4')
  await pass(orderWaitMs - 100)
  come('a.5')
  await pass(80)
  expect(gone).not.toContain('a.5')
  await pass(20)
  expect(gone).toContain('a.5')
})

test('maxOrderBytes: an author beyond its share waits no longer, and beyond the whole nobody does', async () => {
  const { order, gone, come, comeLarge, pass } = createOrder({ limits: { maxOrderBytes: 10_000 } })
  order.holdLive()
  come('b.1')
  comeLarge(600, 'a.2', 'a.1')
  await pass(0)
  expect(gone).toEqual([])
  comeLarge(600, 'a.3')
  await pass(0)
  expect(gone).toEqual(['a.1', 'a.2', 'a.3'])
  comeLarge(1_200, 'c.1', 'd.1', 'e.1', 'f.1', 'g.1')
  await pass(0)
  expect(gone).toEqual(['a.1', 'a.2', 'a.3'])
  comeLarge(1_200, 'h.1')
  await pass(0)
  expect(gone).toEqual(['a.1', 'a.2', 'a.3', 'b.1', 'c.1', 'd.1', 'e.1', 'f.1', 'g.1', 'h.1'])
})

const named = (author: string, count: number) => Array.from({ length: count }, (_, number) => `${author}.${number}`)

test('one peer makes no more expected than its share, a quarter, while others make any', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1'], 'other')
  order.expect(named('b', 3_000), 'liar')
  order.expect(named('c', 2_001), 'liar')
  come('c.2001')
  await pass(0)
  expect(gone).toEqual([])
  order.settled(named('c', 2_000))
  await pass(0)
  expect(gone).toEqual(['c.2001'])
})

test('of one author no more than half of what may be expected is, while any of others is', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['b.1'], 'other')
  for (const peer of ['one', 'two', 'three'])
    order.expect(named('a', 10_001).slice(peer === 'one' ? 0 : peer === 'two' ? 5_000 : 10_000), peer)
  order.settled(named('a', 10_000))
  come('a.10001')
  await pass(0)
  expect(gone).toEqual(['a.10001'])
})

test('no more than 20,000 messages are expected in all', async () => {
  const { order, gone, come, pass } = createOrder()
  for (const author of ['a', 'b', 'c', 'd']) order.expect(named(author, 5_000), author)
  order.expect(['e.1'], 'e')
  come('a.5000', 'e.2')
  await pass(0)
  expect(gone).toEqual(['e.2'])
})

test('what a peer was asked for and has not sent is waited for no longer, unless another has announced it', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1', 'b.1'], 'one')
  order.expect(['b.1'], 'two')
  come('a.2', 'b.2')
  order.missed(['a.1', 'b.1'], 'one')
  await pass(0)
  expect(gone).toEqual(['a.2'])
  order.missed(['b.1'], 'two')
  await pass(0)
  expect(gone).toEqual(['a.2', 'b.2'])
})

test('a peer that let others wait in vain five times within ten minutes delays nobody until the first is that long ago', async () => {
  const { order, gone, come, pass } = createOrder()
  for (const number of [1, 3, 5, 7]) {
    order.expect([`a.${number}`], 'liar')
    come(`a.${number + 1}`)
    order.missed([`a.${number}`], 'liar')
    await pass(1_000)
  }
  order.expect(['a.9'], 'liar')
  come('a.10')
  await pass(orderWaitMs - 1)
  expect(gone).toEqual(['a.2', 'a.4', 'a.6', 'a.8'])
  await pass(1_000)
  order.expect(['b.1'], 'liar')
  come('b.2')
  await pass(0)
  expect(gone.slice(4)).toEqual(['a.10', 'b.2'])
  order.expect(['b.3'], 'other')
  order.expect(['b.3'], 'liar')
  come('b.4')
  order.missed(['b.3'], 'other')
  await pass(0)
  expect(gone.slice(6)).toEqual(['b.4'])
  await pass(600_000)
  order.expect(['b.5'], 'liar')
  come('b.6')
  await pass(0)
  expect(gone.slice(7)).toEqual([])
})

test('a time that others waited in vain does not count once all has come that they waited for', async () => {
  const { order, gone, come, pass } = createOrder()
  for (let number = 1; number < 20; number += 2) {
    order.expect([`a.${number}`], 'slow')
    come(`a.${number + 1}`)
    if (number % 4 === 1) order.missed([`a.${number}`], 'slow')
    await pass(orderWaitMs + 10)
    order.settled([`a.${number}`])
  }
  expect(gone).toHaveLength(10)
  order.expect(['a.21'], 'slow')
  come('a.22')
  await pass(0)
  expect(gone).toHaveLength(10)
  // One of two has come.
  for (let number = 1; number < 10; number += 2) {
    const ids = [`b.${number}`, `c.${number}`]
    order.expect(ids, 'liar')
    come(`b.${number + 1}`, `c.${number + 1}`)
    order.missed(ids, 'liar')
    order.settled([`b.${number}`])
    await pass(1_000)
  }
  const before = gone.length
  order.expect(['b.11'], 'liar')
  come('b.12')
  await pass(0)
  expect(gone.slice(before)).toEqual(['b.12'])
})

test('2,000 messages that were waited for in vain are remembered: others that come make up for nothing', async () => {
  const announcers = createAnnouncers()
  for (const peer of ['one', 'other'])
    for (const author of ['a', 'b', 'c', 'd', 'e']) {
      announcers.failed(peer, [`${author}.${peer}`])
      await vi.advanceTimersByTimeAsync(1_000)
    }
  announcers.failed('many', named('f', 1_995))
  expect(['one', 'other'].map(announcers.trusts)).toEqual([false, false])
  announcers.came(['e.one', 'e.other'])
  expect(['one', 'other'].map(announcers.trusts)).toEqual([false, true])
})

test('what nobody waited for, and what came in time, counts against no peer; many of one moment count once', async () => {
  const { order, gone, come, pass } = createOrder()
  for (let number = 1; number < 20; number += 2) {
    order.expect([`a.${number}`, `b.${number}`], 'peer')
    come(`b.${number + 1}`)
    order.settled([`b.${number}`])
    order.missed([`a.${number}`], 'peer')
    await pass(1_000)
  }
  const many = Array.from({ length: 10 }, (_, number) => `c${number}`)
  order.expect(
    many.map((author) => `${author}.1`),
    'peer',
  )
  come(...many.map((author) => `${author}.2`))
  for (const author of many) order.missed([`${author}.1`], 'peer')
  await pass(0)
  expect(gone).toHaveLength(20)
  order.expect(['d.1'], 'peer')
  come('d.2')
  await pass(0)
  expect(gone).toHaveLength(20)
})

test('numbers that js-libp2p draws give no order', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect([`a.${firstDrawn}`], 'peer')
  const hold = order.holdLive()
  come(`a.${firstDrawn + 2n}`, `a.${firstDrawn + 1n}`)
  await pass(0)
  expect(gone).toEqual([`a.${firstDrawn + 2n}`, `a.${firstDrawn + 1n}`])
  hold[Symbol.dispose]()
})

test('fetched messages wait for those of other peers, not for each other', async () => {
  const { order, gone, comePast, pass } = createOrder()
  using _one = order.fetching(['a.1', 'a.2'], 'peer')
  const two = order.fetching(['a.3', 'b.1'], 'peer')
  void comePast('a.3', 'a.4')
  void comePast('b.1', 'b.2')
  await pass(0)
  expect(gone).toEqual(['b.1', 'b.2'])
  await comePast('a.1', 'a.2')
  order.settled(['a.1', 'a.2'])
  await pass(0)
  expect(gone).toEqual(['b.1', 'b.2', 'a.1', 'a.2', 'a.3', 'a.4'])
  two[Symbol.dispose]()
})

test('what a peer has listed and does not send is waited for until it is known', async () => {
  const { order, gone, come, pass } = createOrder()
  const listed = order.fetching(['a.1'], 'peer')
  come('a.2')
  await pass(0)
  expect(gone).toEqual([])
  listed[Symbol.dispose]()
  await pass(0)
  expect(gone).toEqual(['a.2'])
})

test('a live message waits on while a peer is asked for an earlier one that it has listed, until that has come', async () => {
  const { order, gone, come, pass } = createOrder()
  using page = order.fetching(['a.1', 'a.3', 'b.1'], 'peer')
  order.expect(['c.1'], 'peer')
  page.request(['a.1'])
  come('a.2', 'b.2', 'c.2')
  await pass(2 * orderWaitMs)
  expect(gone).toEqual(['c.2'])
  // What the page lists is expected for as long as it is being fetched.
  come('a.4', 'b.3', 'c.3')
  await pass(2 * orderWaitMs)
  expect(gone).toEqual(['c.2', 'c.3'])
  order.settled(['a.1', 'b.1'])
  await pass(0)
  expect(gone.slice(2)).toEqual(['a.2', 'b.2', 'b.3'])
  order.settled(['a.3'])
  await pass(0)
  expect(gone.slice(5)).toEqual(['a.4'])
})

test('requestTimeoutMs: a peer that lists what it does not give delays each message of an author for no longer, and once', async () => {
  const { order, gone, come, pass } = createOrder()
  const stall = (peer: string, ...ids: string[]) => order.fetching(ids, peer).request(ids)
  stall('liar', 'a.1')
  come('a.2')
  // Another goes on where the first ends.
  await pass(requestTimeoutMs - 10_000)
  stall('accomplice', 'a.1', 'a.3')
  come('a.4')
  await pass(9_990)
  expect(gone).toEqual([])
  await pass(20)
  expect(gone).toEqual(['a.2', 'a.4'])
  // Neither these peers nor this author have long waits for some time.
  stall('third', 'a.5')
  stall('liar', 'b.1')
  come('a.6', 'b.2')
  await pass(orderWaitMs - 10)
  expect(gone.slice(2)).toEqual([])
  await pass(20)
  expect(gone.slice(2)).toEqual(['a.6', 'b.2'])
  stall('third', 'c.1')
  come('c.2')
  await pass(requestTimeoutMs - 10)
  expect(gone.slice(4)).toEqual([])
  await pass(600_000)
  stall('third', 'a.7')
  come('a.8')
  await pass(requestTimeoutMs - 10)
  expect(gone.slice(4)).toEqual(['c.2'])
  await pass(20)
  expect(gone.slice(4)).toEqual(['c.2', 'a.8'])
})

test('a fetch that fails after a short wait counts never, after a long one once, unless all comes after all', async () => {
  const { order, gone, come, pass } = createOrder()
  /** A message waits for one that is being fetched in vain. Returns whether it waits to the end. */
  async function fail(id: string, later: string, waitedMs: number): Promise<boolean> {
    using page = order.fetching([id], 'peer')
    page.request([id])
    come(later)
    await pass(waitedMs)
    return !gone.includes(later)
  }
  for (let number = 1; number < 20; number += 2) expect(await fail(`a.${number}`, `a.${number + 1}`, orderWaitMs - 100)).toBe(true)
  expect(await fail('b.1', 'b.2', 2 * orderWaitMs)).toBe(true)
  expect(await fail('b.3', 'b.4', orderWaitMs + 10)).toBe(false)
  expect(await fail('c.1', 'c.2', orderWaitMs + 10)).toBe(false)
  order.settled(['b.1'])
  expect(await fail('b.5', 'b.6', orderWaitMs + 10)).toBe(true)
})

test('a peer whose fetches fail five times while others wait for longer than orderWaitMs delays nobody', async () => {
  const { order, gone, come, pass } = createOrder()
  for (const number of [1, 3, 5, 7, 9]) {
    using page = order.fetching([`a.${number}`], 'peer')
    page.request([`a.${number}`])
    come(`a.${number + 1}`)
    await pass(orderWaitMs + 10)
  }
  order.expect(['b.1'], 'peer')
  come('b.2')
  await pass(0)
  expect(gone).toEqual(['a.2', 'a.4', 'a.6', 'a.8', 'a.10', 'b.2'])
})

test('fetched messages wait on for what another peer is being asked for, not for the rest of its page', async () => {
  const { order, gone, comePast, pass } = createOrder()
  using page = order.fetching(['a.1', 'b.1'], 'peer')
  page.request(['a.1'])
  void comePast('a.2')
  void comePast('b.2')
  await pass(orderWaitMs + 10)
  expect(gone).toEqual(['b.2'])
  page.request(['b.1'])
  await pass(orderWaitMs)
  expect(gone).toEqual(['b.2', 'a.2'])
})

test('a page that is done with its requests keeps nobody waiting for longer than their deadline', async () => {
  const { order, gone, come, pass } = createOrder()
  using page = order.fetching(['a.1'], 'peer')
  page.request(['a.1'])
  await pass(requestTimeoutMs - orderWaitMs)
  come('a.2')
  await pass(orderWaitMs - 10)
  expect(gone).toEqual([])
  await pass(2 * orderWaitMs + 20)
  expect(gone).toEqual(['a.2'])
  using other = order.fetching(['b.1'], 'other')
  await pass(requestTimeoutMs - orderWaitMs)
  other.request(['b.1'])
  come('b.3')
  await pass(requestTimeoutMs - 10)
  expect(gone).toEqual(['a.2'])
})

test('time in which the process stands still ends no wait, as it has read nothing meanwhile', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1'], 'peer')
  order.holdLive()
  come('a.2', 'b.1')
  leapClock(60_000)
  come('a.3')
  await pass(10)
  expect(gone).toEqual([])
  order.settled(['a.1'])
  await pass(orderWaitMs - 1_000)
  expect(gone).toEqual([])
  await pass(1_050)
  expect(gone).toEqual(['a.2', 'b.1'])
  await pass(500)
  expect(gone).toEqual(['a.2', 'b.1', 'a.3'])
})

test('a hold of live messages is longer by the time in which the process stands still', async () => {
  const looks: Array<() => void> = []
  const { setInterval } = globalThis
  // Not by a spy: what vitest restores at the end of the file would be the fake timer.
  globalThis.setInterval = ((look: () => void) => {
    looks.push(look)
    return setInterval(() => undefined, 1_000_000)
  }) as typeof setInterval
  const { order, gone, come, pass } = createOrder()
  globalThis.setInterval = setInterval
  /** The process runs for half a second. */
  async function run() {
    for (const look of looks) look()
    await pass(500)
  }
  order.holdLive()
  for (let count = 0; count < 8; count++) await run()
  come('a.1')
  await pass(60_000)
  expect(gone).toEqual([])
  for (let count = 0; count < 5; count++) await run()
  expect(gone).toEqual(['a.1'])
})

test('an announcement that fails ends no wait for what is being fetched', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1'], 'one')
  using page = order.fetching(['a.2'], 'other')
  page.request(['a.2'])
  come('a.3')
  await pass(orderWaitMs + 10)
  order.missed(['a.1'], 'one')
  await pass(10)
  expect(gone).toEqual([])
})

test('it is known which messages wait', async () => {
  const { order, come, pass } = createOrder()
  order.expect(['a.1'], 'peer')
  come('a.2', 'b.2')
  await pass(0)
  expect(['a.1', 'a.2', 'b.2'].map((id) => order.isHeld(messageOf(id, 10)))).toEqual([false, true, false])
  order.settled(['a.1'])
  expect(order.isHeld(messageOf('a.2', 10))).toBe(false)
})

test('at the end everything goes', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1'], 'peer')
  come('a.3', 'a.2')
  order.stop()
  await pass(0)
  expect(gone).toEqual(['a.2', 'a.3'])
})
