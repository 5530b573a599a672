import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createArrivals } from '../../../../src/engine/custom/link/arrivals.ts'
import { createHandlers } from '../../../../src/engine/custom/link/handlers.ts'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { dialBackAnswer, dialBackProtocol, relayProtocol, reservationAnswer } from '../../../../src/engine/custom/reach/protocols.ts'
import { createReach } from '../../../../src/engine/custom/reach/reach.ts'
import { patienceMs } from '../../../../src/engine/custom/reach/reachability.ts'
import { createDialGate } from '../../../../src/engine/dial/gate.ts'
import { createDialPolicy } from '../../../../src/engine/dial/policy.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { createReachCounter } from '../../../../src/engine/reach/reach-counts.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { silentLog } from '../../../fixtures/log.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const listened = '/ip4/192.168.1.2/tcp/7071/ws'

/** A node whose peers relay, and answer dial-backs when the test says so. Notes which peers it has asked to relay, and when. */
function node() {
  const all: Link[] = []
  const arrivals = createArrivals()
  const reserved: Array<[peerId: string, ms: number]> = []
  const begun = performance.now()
  const policy = createDialPolicy({ dialPrivate: true, dialOwnHost: false })
  const reach = createReach(
    { relay: false, portMapping: false, webRtc: undefined, secret: new Uint8Array(), limits: defaultLimits },
    {
      links: { get: (peerId: string) => all.find((link) => link.peerId === peerId), all } as never,
      handlers: createHandlers({ limits: defaultLimits }, { reached: createLimitsReached(), isConfigured: () => false }),
      meeting: {
        probe: () => Promise.reject(new Error('nobody is probed')),
        meetOver: () => Promise.reject(new Error('nobody is met')),
        meet: () => Promise.reject(new Error('nobody is met')),
        arrivalOf: arrivals.of,
      },
      dialGate: createDialGate({ policy }),
      listened: () => [listened],
      told: policy.told,
      dial: () => Promise.reject(new Error('nobody is dialled')),
      onCircuit: () => undefined,
      adopt: async () => undefined,
      onChange: () => undefined,
      reached: createLimitsReached(),
      counter: createReachCounter(),
      logger: silentLog,
    },
  )
  reach.start()
  onTestFinished(() => reach.stop())
  return {
    reserved,
    reach,
    arrived: arrivals.arrived,
    /** Returns what has the peer refuse its dial-back, or say that it has reached the node. */
    link(peerId: string): { refuse(): void; claim(): void } {
      const answer = Promise.withResolvers<Uint8Array>()
      const request = (protocol: string) => {
        if (protocol === dialBackProtocol) return answer.promise
        reserved.push([peerId, performance.now() - begun])
        return Promise.resolve(reservationAnswer.encode({ maxBytes: 0, maxMs: 0 }))
      }
      const hello = { protocols: [dialBackProtocol, relayProtocol], multiaddrs: [], observed: '' }
      const next: unknown = { peerId, direction: 'outbound', isRelayed: false, hello, request }
      all.push(next as Link)
      reach.linked(next as Link)
      const results = [{ multiaddr: listened, reached: true }]
      return {
        refuse: () => answer.reject(new Error('too many dial-backs')),
        claim: () => answer.resolve(dialBackAnswer.encode({ results })),
      }
    },
  }
}

test('a node takes relays as soon as a dial-back has taken patienceMs, without waiting for its next step', async () => {
  const { link, reserved } = node()
  link('a')
  await vi.advanceTimersByTimeAsync(patienceMs - 1)
  expect(reserved).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(reserved).toEqual([['a', patienceMs]])
})

test('a node whose first peer refused takes relays patienceMs after it has asked the second', async () => {
  const { link, reserved } = node()
  const { refuse } = link('a')
  await vi.advanceTimersByTimeAsync(300)
  link('b')
  refuse()
  await vi.advanceTimersByTimeAsync(patienceMs - 1)
  expect(reserved).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(reserved).toEqual([
    ['a', 300 + patienceMs],
    ['b', 300 + patienceMs],
  ])
})

test('a peer that only says that it has reached a node makes nobody believe it, nor give up its relays', async () => {
  const { link, arrived, reach } = node()
  link('a').claim()
  await vi.advanceTimersByTimeAsync(2_000)
  expect([reach.state, reach.relays]).toEqual(['unknown', ['a']])
  const { claim } = link('b')
  // Another peer that dials this node meanwhile is not the one that was asked.
  arrived('c')
  claim()
  await vi.advanceTimersByTimeAsync(1_999)
  expect(reach.state).toBe('unknown')
  arrived('b')
  await vi.advanceTimersByTimeAsync(0)
  expect([reach.state, reach.confirmed]).toEqual(['direct', [{ multiaddr: listened, peers: 1 }]])
})
