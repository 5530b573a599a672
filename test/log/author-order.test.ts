import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createAuthorOrder } from '../../src/log/author-order.ts'
import { firstDrawn, type SignedMessage, sequenceBytes } from '../../src/model/signed-message.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const { orderWaitMs } = defaultLimits

/** An order, and in which order it lets messages go. */
function createOrder(init: { limits?: Partial<typeof defaultLimits>; logged?: string[] } = {}) {
  const { limits, logged = [] } = init
  const order = createAuthorOrder(
    { limits: { ...defaultLimits, ...limits } },
    { log: { unknown: async (ids) => ids.filter((id) => !logged.includes(id)) } },
  )
  onTestFinished(() => order.stop())
  const gone: string[] = []
  async function come(id: string, bytes = 10): Promise<void> {
    await order.turn(messageOf(id, bytes), performance.now())
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
  expect(order.turn(messageOf('a.2', 10), performance.now())).toBeUndefined()
  order.expect(['a.3', 'b.1'])
  expect(order.turn(messageOf('a.2', 10), performance.now())).toBeUndefined()
  expect(order.turn(messageOf('a.3', 10), performance.now())).toBeUndefined()
  order.settled(['a.3'])
  expect(order.turn(messageOf('a.4', 10), performance.now())).toBeUndefined()
})

test('later messages of an author wait for an announced one, and come after it in order', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1', 'a.2'])
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
  order.expect(['a.1'])
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

test('an announced message that the log has delays none', async () => {
  const { order, gone, come, pass } = createOrder({ logged: ['a.1', 'a.2'] })
  order.expect(['a.1', 'a.2', 'a.3'])
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
  order.expect(['c.1'])
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

test('of too many expected messages the first are no longer expected', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1', ...Array.from({ length: 20_000 }, (_, number) => `b.${number}`)])
  come('a.2', 'b.20001')
  await pass(0)
  expect(gone).toEqual(['a.2'])
})

test('numbers that js-libp2p draws give no order', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect([`a.${firstDrawn}`])
  const hold = order.holdLive()
  come(`a.${firstDrawn + 2n}`, `a.${firstDrawn + 1n}`)
  await pass(0)
  expect(gone).toEqual([`a.${firstDrawn + 2n}`, `a.${firstDrawn + 1n}`])
  hold[Symbol.dispose]()
})

test('fetched messages wait for those of other peers, not for each other', async () => {
  const { order, gone, comePast, pass } = createOrder()
  using _one = order.expect(['a.1', 'a.2'])
  const two = order.expect(['a.3', 'b.1'])
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
  const listed = order.expect(['a.1'])
  come('a.2')
  await pass(0)
  expect(gone).toEqual([])
  listed[Symbol.dispose]()
  await pass(0)
  expect(gone).toEqual(['a.2'])
})

test('at the end everything goes', async () => {
  const { order, gone, come, pass } = createOrder()
  order.expect(['a.1'])
  come('a.3', 'a.2')
  order.stop()
  await pass(0)
  expect(gone).toEqual(['a.2', 'a.3'])
})
