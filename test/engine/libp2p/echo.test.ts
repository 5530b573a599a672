import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createEcho } from '../../../src/engine/libp2p/gossip/echo.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A stream of ping that the test answers on. */
class FakeStream extends EventTarget {
  readonly sent: number[] = []
  isClosing = false
  isAborted = false
  isBroken = false

  send(data: Uint8Array): boolean {
    if (this.isBroken) throw new Error('broken')
    this.sent.push(data.byteLength)
    return true
  }

  answer(bytes: number): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array(bytes) }))
  }

  async close(): Promise<void> {
    this.isClosing = true
  }

  end(): void {
    this.dispatchEvent(new Event('close'))
  }

  abort(): void {
    this.isAborted = true
    this.end()
  }
}

/** A peer that opens streams as the test says, and of each echo whether it has come. */
function setUp() {
  const streams: FakeStream[] = []
  const peer = { refuses: false, opened: 0 }
  const echo = createEcho({
    async open() {
      peer.opened++
      if (peer.refuses) throw new Error('refused')
      const stream = new FakeStream()
      streams.push(stream)
      return Object(stream)
    },
  })
  return {
    echo,
    peer,
    streams,
    /** Answers whether the echo has come by now. */
    ask(): () => Promise<boolean> {
      let isDone = false
      void echo.ask().then(() => {
        isDone = true
      })
      return async () => {
        await vi.advanceTimersByTimeAsync(0)
        return isDone
      }
    },
  }
}

test('echoes come in the order in which they were asked for, on one stream, in whatever pieces', async () => {
  const { ask, streams, peer } = setUp()
  const [one, two, three] = [ask(), ask(), ask()]
  expect([await one(), await two(), await three()]).toEqual([false, false, false])
  expect([peer.opened, streams[0]?.sent]).toEqual([1, [32, 32, 32]])
  streams[0]?.answer(31)
  expect(await one()).toBe(false)
  streams[0]?.answer(33)
  expect([await one(), await two(), await three()]).toEqual([true, true, false])
  streams[0]?.answer(32)
  expect(await three()).toBe(true)
  expect(streams[0]?.isClosing).toBe(false)
})

test('a stream is used for five seconds; what was asked on it is answered still, and what is asked on the next one waits for that', async () => {
  const { ask, streams } = setUp()
  const first = ask()
  await first()
  streams[0]?.answer(32)
  await vi.advanceTimersByTimeAsync(5_000)
  const late = ask()
  await late()
  await vi.advanceTimersByTimeAsync(1)
  const next = ask()
  expect(await next()).toBe(false)
  expect([streams.length, streams[0]?.sent.length, streams[0]?.isClosing, streams[1]?.sent.length]).toEqual([2, 2, true, 1])
  streams[0]?.answer(32)
  expect([await late(), await next()]).toEqual([true, false])
  streams[0]?.end()
  expect(await next()).toBe(false)
  streams[1]?.answer(32)
  expect(await next()).toBe(true)
  await ask()()
  expect(streams.length).toBe(2)
})

test('nobody waits for an echo for more than a second, nor for one on a stream that has ended', async () => {
  const { ask, streams } = setUp()
  const silent = ask()
  await vi.advanceTimersByTimeAsync(999)
  expect(await silent()).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(await silent()).toBe(true)
  const ended = ask()
  expect(await ended()).toBe(false)
  streams[0]?.end()
  expect(await ended()).toBe(true)
  const again = ask()
  await again()
  expect(streams.length).toBe(2)
})

test('a peer that refuses is asked again after ten seconds', async () => {
  const { ask, peer } = setUp()
  peer.refuses = true
  expect(await ask()()).toBe(true)
  await vi.advanceTimersByTimeAsync(9_999)
  expect(await ask()()).toBe(true)
  expect(peer.opened).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  peer.refuses = false
  expect(await ask()()).toBe(false)
  expect(peer.opened).toBe(2)
})

test('a stream that takes nothing more is not waited for, and one that is not needed any more is ended', async () => {
  const { ask, echo, streams } = setUp()
  const waiting = ask()
  await waiting()
  const [stream] = streams
  if (stream === undefined) throw new Error('no stream')
  stream.isBroken = true
  const refused = ask()
  expect([await refused(), await waiting()]).toEqual([true, true])
  stream.isBroken = false
  const left = ask()
  expect(await left()).toBe(false)
  echo.close()
  expect([stream.isAborted, await left()]).toEqual([true, true])
})

test('a stream that the peer does not close is cut after a second', async () => {
  const { ask, streams } = setUp()
  for (let count = 0; count < 2; count++) {
    const answered = ask()
    await vi.advanceTimersByTimeAsync(0)
    streams.at(-1)?.answer(32)
    await answered()
    await vi.advanceTimersByTimeAsync(count === 0 ? 5_001 : 999)
  }
  expect(streams.map(({ isClosing, isAborted }) => [isClosing, isAborted])).toEqual([
    [true, false],
    [false, false],
  ])
  await vi.advanceTimersByTimeAsync(1)
  expect(streams.map(({ isAborted }) => isAborted)).toEqual([true, false])
})
