import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encode } from 'cborg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createArrivals } from '../../../../src/engine/custom/link/arrivals.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { createHandlers } from '../../../../src/engine/custom/link/handlers.ts'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { directPathProtocol, relayProtocol, reservationAnswer } from '../../../../src/engine/custom/reach/protocols.ts'
import { createReach } from '../../../../src/engine/custom/reach/reach.ts'
import { createDialGate } from '../../../../src/engine/dial/gate.ts'
import { createDialPolicy } from '../../../../src/engine/dial/policy.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { tcpDialBytes } from '../../../../src/engine/reach/allowance.ts'
import { createReachCounter } from '../../../../src/engine/reach/reach-counts.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { silentLog } from '../../../fixtures/log.ts'

const relayId = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'

/** A node with a link to a relay, and links through it to any peer; it meets nobody. */
function node(init: { relayAt?: string; comes?: Link; own?: string[]; answers?: boolean; receivedBytes?: number } = {}) {
  const { relayAt = '8.8.4.7', comes, own = [], answers = true, receivedBytes = 10_000 } = init
  const hello = { protocols: [], multiaddrs: own, observed: '' }
  const dialled: string[] = []
  const charged: number[] = []
  const common = { hello, receivedBytes: () => receivedBytes, send: () => true, charge: (units: number) => charged.push(units) }
  const relay = {
    ...common,
    peerId: relayId,
    direction: 'outbound',
    isRelayed: false,
    seenAt: relayAt,
    localPort: 5_000,
    remote: '',
  } as unknown
  const through = { ...common, direction: 'inbound', isRelayed: true, remote: `/ip4/8.8.4.7/tcp/1/ws/p2p/${relayId}/p2p-circuit` }
  const adopted: Link[] = []
  const get = (peerId: string) =>
    adopted.find((link) => link.peerId === peerId) ?? ((peerId === relayId ? relay : { ...through, peerId }) as Link)
  const policy = createDialPolicy({ dialPrivate: true, dialOwnHost: true })
  const handlers = createHandlers({ limits: defaultLimits }, { reached: createLimitsReached(), isConfigured: () => false })
  const met: string[] = []
  const reach = createReach(
    { relay: false, portMapping: false, webRtc: undefined, secret: new Uint8Array(), limits: defaultLimits },
    {
      links: { get, all: adopted } as never,
      handlers,
      meeting: {
        probe: () => Promise.reject(new Error('nobody is probed')),
        meetOver: () => Promise.reject(new Error('nobody is met')),
        arrivalOf: createArrivals().of,
        async meet({ address }) {
          met.push(address.toString())
          if (comes === undefined) throw new Error('nobody came')
          return comes
        },
      },
      dialGate: createDialGate({ policy }),
      listened: () => [],
      told: policy.told,
      async dial(address, signal) {
        dialled.push(address)
        if (!answers) await once(signal, 'abort')
        throw new Error('nobody is there')
      },
      onCircuit: () => undefined,
      adopt: async (link) => void adopted.push(link),
      onChange: () => undefined,
      reached: createLimitsReached(),
      counter: createReachCounter(),
      logger: silentLog,
    },
  )
  reach.start()
  onTestFinished(() => reach.stop())

  /** A peer asks for a direct path, and the relay shows it at an address. */
  async function shown(from: string, ip: string, port: number): Promise<void> {
    const signal = AbortSignal.timeout(60_000)
    await handlers.get(directPathProtocol)?.handler({ from, body: Buffer.alloc(0), signal })
    see(from, ip, port)
    for (let turn = 0; turn < 5; turn++) await nextTurn()
  }

  function see(from: string, ip: string, port: number): void {
    reach.receive(get(relayId), frameTypes.circuit, Buffer.from(encode({ type: 'seen', from, ip, port })))
  }
  return { shown, see, met, dialled, charged, adopted, linked: reach.linked }
}

test.each([
  ['a public address', '9.9.9.9', ['/ip4/9.9.9.9/tcp/4001/ws']],
  ['a private address', '10.0.0.1', []],
  ['this host', '127.0.0.1', []],
  ['a service of a cloud provider', '169.254.169.254', []],
  ['an address of another version of IP', '2606:4700::7', []],
  ['a name', 'elsewhere.example', []],
])('a peer that is shown at %s is met only if that is one that routers have', async (_, ip, expected) => {
  const { shown, met } = node()
  await shown('b', ip, 4_001)
  expect(met).toEqual(expected)
})

test('a relay on this host, whose word would do to dial it, has no other port of it met', async () => {
  const { shown, met } = node({ relayAt: '127.0.0.1' })
  await shown('b', '127.0.0.1', 4_001)
  expect(met).toEqual([])
})

test('peers that are shown at one host, at port after port, are met sixteen times', async () => {
  const { shown, met } = node()
  for (let number = 0; number < 20; number++) await shown(`b${number}`, '9.9.9.9', 4_000 + number)
  expect(met).toHaveLength(16)
})

test('a relay that has sent little has few addresses met, and its peer few of its own dialled', async () => {
  const own = Array.from({ length: 4 }, (_, number) => `/ip4/9.9.${number}.1/tcp/1/ws/p2p/b`)
  const { shown, met, dialled } = node({ own, receivedBytes: tcpDialBytes })
  for (let number = 0; number < 5; number++) await shown(number === 0 ? 'b' : `b${number}`, `9.9.9.${number}`, 4_000)
  expect(met).toHaveLength(3)
  expect(dialled.slice(0, 4)).toEqual(own.slice(0, 3).concat(own.slice(0, 1)))
})

test('a relay that shows a peer that nobody asked for is charged, and the peer is not met', () => {
  const { see, met, charged } = node()
  see('b', '9.9.9.9', 4_001)
  expect(charged.length).toBe(1)
  expect(met).toEqual([])
})

test('a peer that was not met is dialled at four of its own addresses at most, and through no relay', async () => {
  const direct = Array.from({ length: 6 }, (_, number) => `/ip4/9.9.9.9/tcp/${number + 1}/ws/p2p/b`)
  const { shown, dialled } = node({ own: [`/ip4/8.8.4.7/tcp/1/ws/p2p/${relayId}/p2p-circuit/p2p/b`, ...direct] })
  await shown('b', '9.9.9.9', 4_001)
  expect(dialled).toEqual(direct.slice(0, 4))
})

test('the addresses of a peer that do not answer share eight seconds', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const own = Array.from({ length: 4 }, (_, number) => `/ip4/9.9.9.9/tcp/${number + 1}/ws/p2p/b`)
  const { shown, dialled } = node({ own, answers: false })
  await shown('b', '9.9.9.9', 4_001)
  expect(dialled).toHaveLength(1)
  for (let number = 2; number <= 4; number++) {
    await vi.advanceTimersByTimeAsync(2_000)
    expect(dialled).toHaveLength(number)
  }
})

test('a peer that was met is no relay: it cannot be dialled itself', async () => {
  const asked: string[] = []
  const hello = { protocols: [relayProtocol], multiaddrs: [], observed: '' }
  const request = async (protocol: string) => {
    asked.push(protocol)
    return reservationAnswer.encode({ maxBytes: 0, maxMs: 0 })
  }
  const peer: unknown = { peerId: 'b', isRelayed: false, direction: 'inbound', hello, request }
  const { shown, linked, adopted } = node({ comes: peer as Link })
  await shown('b', '9.9.9.9', 4_001)
  expect(adopted).toHaveLength(1)
  linked(peer as Link)
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  expect(asked).toEqual([])
})
