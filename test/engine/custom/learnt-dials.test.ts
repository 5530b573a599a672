import pino from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { aheadMs, createLearntDials, maxAddresses } from '../../../src/engine/custom/learnt-dials.ts'

const peerId = 'peer'
const addressOf = (port: number, of = peerId) => `/ip4/11.0.0.1/tcp/${port}/ws/p2p/${of}`
const [dead, live, other] = [addressOf(1), addressOf(2), addressOf(3)]

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** Dials that neither connect nor fail until they are told to. */
function learntDials() {
  const dialled: string[] = []
  const dials = new Map<string, PromiseWithResolvers<void>>()
  let isLinked = false
  const learnt = createLearntDials({
    async dial(_peerId, multiaddr) {
      dialled.push(multiaddr)
      const dial = Promise.withResolvers<void>()
      dials.set(multiaddr, dial)
      await dial.promise
      isLinked = true
    },
    isLinked: () => isLinked,
    isWanted: () => !isLinked,
    logger: pino({ level: 'silent' }),
  })
  const stop = new AbortController()
  return {
    dialled,
    told: learnt.told,
    stop: () => stop.abort(),
    /** What it has returned, if it has. */
    dial(multiaddrs: string[]) {
      const result: { linked?: boolean } = {}
      void learnt.dial({ peerId, multiaddrs }, stop.signal).then((linked) => Object.assign(result, { linked }))
      return result
    },
    connects: (multiaddr: string) => dials.get(multiaddr)?.resolve(),
    fails: (multiaddr: string) => dials.get(multiaddr)?.reject(new Error('refused')),
    /** The peer has dialled this node. */
    arrives() {
      isLinked = true
    },
  }
}

const passed = async (ms: number) => await vi.advanceTimersByTimeAsync(ms)

test('an address that does not answer is half a second ahead of the next', async () => {
  const { dial, dialled, connects } = learntDials()
  const result = dial([dead, live])
  await passed(aheadMs - 1)
  expect(dialled).toEqual([dead])
  await passed(1)
  expect(dialled).toEqual([dead, live])
  connects(live)
  await passed(0)
  expect(result).toEqual({ linked: true })
})

test('IPv6 is dialled first where the peer has both, and relays keep their place behind it', async () => {
  const { dial, dialled } = learntDials()
  const [relayed, six] = [`/ip6/2600::9/tcp/1/ws/p2p/relay/p2p-circuit/p2p/${peerId}`, `/ip6/2600::1/tcp/1/ws/p2p/${peerId}`]
  dial([live, relayed, six])
  for (let dials = 0; dials < 3; dials++) await passed(aheadMs)
  expect(dialled).toEqual([six, live, relayed])
})

test('after an address that fails the next one is dialled at once', async () => {
  const { dial, dialled, fails } = learntDials()
  dial([dead, live])
  await passed(0)
  fails(dead)
  await passed(0)
  expect(dialled).toEqual([dead, live])
})

test('an address that answers late makes the link, and no further one is dialled', async () => {
  const { dial, dialled, connects } = learntDials()
  const result = dial([live, dead, other])
  await passed(aheadMs)
  connects(live)
  await passed(aheadMs)
  expect(result).toEqual({ linked: true })
  expect(dialled).toEqual([live, dead])
})

test('all addresses have failed before the peer counts as not reached', async () => {
  const { dial, fails } = learntDials()
  const result = dial([dead, live])
  await passed(aheadMs)
  fails(live)
  await passed(10 * aheadMs)
  expect(result).toEqual({})
  fails(dead)
  await passed(0)
  expect(result).toEqual({ linked: false })
})

test('an address that is told while others do not answer is dialled, and one of another peer is not', async () => {
  const { dial, told, dialled } = learntDials()
  dial([dead])
  await passed(10 * aheadMs)
  told([addressOf(4, 'another'), dead, live])
  await passed(0)
  expect(dialled).toEqual([dead, live])
})

test('an address that is told soon waits as others do', async () => {
  const { dial, told, dialled } = learntDials()
  dial([dead])
  await passed(0)
  told([live])
  await passed(aheadMs - 1)
  expect(dialled).toEqual([dead])
  await passed(1)
  expect(dialled).toEqual([dead, live])
})

test('no more is dialled once there is a link, or when the node stops', async () => {
  const linked = learntDials()
  linked.dial([dead, live])
  await passed(0)
  linked.arrives()
  await passed(aheadMs)
  expect(linked.dialled).toEqual([dead])

  const stopped = learntDials()
  const result = stopped.dial([dead, live])
  await passed(0)
  stopped.stop()
  await passed(aheadMs)
  expect(stopped.dialled).toEqual([dead])
  expect(result).toEqual({ linked: false })
})

test('a peer is dialled at a bounded number of addresses, however many are told', async () => {
  const { dial, told, dialled } = learntDials()
  dial(Array.from({ length: maxAddresses - 1 }, (_, index) => addressOf(index)))
  told(Array.from({ length: 5 }, (_, index) => addressOf(100 + index)))
  await passed(100 * aheadMs)
  expect(dialled).toHaveLength(maxAddresses)
})
