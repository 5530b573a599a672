import { beforeEach, expect, test, vi } from 'vitest'
import type { Item, Message } from '../../clients/typescript/src/index.ts'
import { floodLines, maxLines, Tail, type TailInit, type TailView } from '../../console/tail.ts'

function item(number: number): Extract<Item, { type: 'message' }> {
  const cursor = `e.${number}`
  const message: Message = {
    id: cursor,
    cursor,
    kind: 'topic',
    topic: 'orders',
    from: 'peer',
    sequence: String(number),
    receivedAt: '',
    signature: '',
    data: `number ${number}`,
    encoding: 'utf8',
  }
  return { type: 'message', message, cursor }
}

/** A stream whose subscriptions give what the test pushes, until their signal. */
function streamForTest() {
  const asked: Array<string | undefined> = []
  const waiting: Array<Item | Error> = []
  let wake = () => {}
  const client: TailInit['client'] = () => ({
    async *subscribe(_topic, { after, signal }) {
      asked.push(after)
      signal?.addEventListener('abort', () => wake())
      while (signal?.aborted !== true) {
        const next = waiting.shift()
        if (next instanceof Error) throw next
        if (next !== undefined) yield next
        else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    },
  })
  function push(next: Item | Error) {
    waiting.push(next)
    wake()
  }
  return { client, asked, push }
}

beforeEach(() => {
  vi.useFakeTimers()
  return () => vi.useRealTimers()
})

function tailForTest() {
  const stream = streamForTest()
  const drawn: TailView[] = []
  const tail = new Tail({ client: stream.client, topic: 'orders', draw: (view) => drawn.push(view) })
  const numbers = () => drawn.at(-1)?.lines.map(({ cursor }) => cursor)
  return { ...stream, tail, drawn, numbers }
}

test('draws at intervals, however much comes meanwhile, and says how many lines no drawing had', async () => {
  const { tail, push, drawn } = tailForTest()
  void tail.resume()
  expect(drawn.splice(0)).toMatchObject([{ received: 0, isRunning: true }])
  await vi.advanceTimersByTimeAsync(0)
  for (let number = 1; number <= 10_000; number++) push(item(number))
  await vi.advanceTimersByTimeAsync(200)
  expect(drawn).toHaveLength(1)
  expect(drawn[0]).toMatchObject({ received: 10_000, undrawn: 10_000 - maxLines, shown: floodLines, isRunning: true })
  expect(drawn[0]?.lines.map(({ cursor }) => cursor)).toEqual(Array.from({ length: maxLines }, (_, index) => `e.${9_501 + index}`))
  push(item(10_001))
  await vi.advanceTimersByTimeAsync(2_000)
  // The line that left the list was not among those that were shown. A second later all are, and nothing is drawn any more.
  expect(drawn.map(({ shown }) => shown)).toEqual([...Array.from({ length: 5 }, () => floodLines), maxLines])
  expect(drawn.at(-1)).toMatchObject({ received: 10_001, undrawn: 10_001 - maxLines })
  expect(drawn.at(-1)?.lines).toHaveLength(maxLines)
  push(item(10_002))
  await vi.advanceTimersByTimeAsync(2_000)
  expect(drawn).toHaveLength(7)
  expect(drawn.at(-1)).toMatchObject({ received: 10_002, undrawn: 10_001 - maxLines, shown: maxLines })
})

test('says at once that it pauses in a flood, and shows all that it keeps with the next drawing', async () => {
  const { tail, push, drawn } = tailForTest()
  void tail.resume()
  await vi.advanceTimersByTimeAsync(0)
  for (let number = 1; number <= floodLines + 1; number++) push(item(number))
  await vi.advanceTimersByTimeAsync(200)
  expect(drawn.at(-1)).toMatchObject({ shown: floodLines, undrawn: 0 })
  tail.pause()
  expect(drawn.at(-1)).toMatchObject({ shown: floodLines, undrawn: 0, isRunning: false })
  await vi.advanceTimersByTimeAsync(2_000)
  expect(drawn.slice(-2)).toMatchObject([{ isRunning: false }, { shown: maxLines, undrawn: 0, isRunning: false }])
})

test('resumes after the last item that it had, a gap or the end of the stored messages too', async () => {
  const { tail, push, asked, numbers, drawn } = tailForTest()
  void tail.resume()
  await vi.advanceTimersByTimeAsync(0)
  push({ type: 'caughtUp', cursor: 'e.4' })
  await vi.advanceTimersByTimeAsync(200)
  tail.pause()
  await vi.advanceTimersByTimeAsync(200)
  expect(drawn.at(-1)?.isRunning).toBe(false)
  void tail.resume()
  void tail.resume()
  await vi.advanceTimersByTimeAsync(0)
  push(item(5))
  push({ type: 'gap', from: 'e.5', to: 'e.7', reason: 'pruned', cursor: 'e.7' })
  await vi.advanceTimersByTimeAsync(200)
  expect(numbers()).toEqual(['e.5', 'e.7'])
  tail.pause()
  void tail.resume()
  await vi.advanceTimersByTimeAsync(0)
  expect(asked).toEqual(['latest', 'e.4', 'e.7'])
})

test('keeps its lines and its position when the stream fails, and says so', async () => {
  const { tail, push, asked, numbers, drawn } = tailForTest()
  void tail.resume()
  await vi.advanceTimersByTimeAsync(0)
  push(item(1))
  await vi.advanceTimersByTimeAsync(0)
  push(new Error('the session has ended'))
  await vi.advanceTimersByTimeAsync(200)
  expect(drawn.at(-1)).toMatchObject({ isRunning: false, error: new Error('the session has ended') })
  expect(numbers()).toEqual(['e.1'])
  tail.clear()
  void tail.resume()
  await vi.advanceTimersByTimeAsync(200)
  expect(drawn.at(-1)).toMatchObject({ isRunning: true, error: undefined, lines: [] })
  expect(asked).toEqual(['latest', 'e.1'])
})
