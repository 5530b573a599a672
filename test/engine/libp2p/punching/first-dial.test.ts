import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { boundedFirstDial } from '../../../../src/engine/libp2p/punching/first-dial.ts'

const tcp = multiaddr('/ip4/11.0.0.1/tcp/1')
const webSocket = multiaddr('/ip4/11.0.0.1/tcp/2/ws')

/** A dial that is not answered. */
function dialOf(addresses: ReturnType<typeof multiaddr>[], signal?: AbortSignal) {
  const ended = vi.fn()
  const dial = boundedFirstDial(
    async (_, options) =>
      await new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true })),
  )
  dial(addresses, signal === undefined ? {} : { signal }).catch(ended)
  return ended
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

test('a second after the dial of an address that can be punched to, the hole is punched', async () => {
  const ended = dialOf([webSocket, tcp])
  await vi.advanceTimersByTimeAsync(999)
  expect(ended).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(ended).toHaveBeenCalledOnce()
})

test('an address to which nothing is punched has as long as libp2p gives it', async () => {
  const whole = new AbortController()
  const ended = dialOf([webSocket], whole.signal)
  await vi.advanceTimersByTimeAsync(4_999)
  expect(ended).not.toHaveBeenCalled()
  whole.abort(new Error('the time of libp2p'))
  await vi.advanceTimersByTimeAsync(0)
  expect(ended).toHaveBeenCalledOnce()
})

test('the dial of an address that can be punched to ends with that of libp2p', async () => {
  const whole = new AbortController()
  const ended = dialOf([tcp], whole.signal)
  whole.abort(new Error('given up'))
  await vi.advanceTimersByTimeAsync(0)
  expect(ended).toHaveBeenCalledExactlyOnceWith(new Error('given up'))
})
