import { multiaddr } from '@multiformats/multiaddr'
import { encode } from 'cborg'
import { expect, onTestFinished, test } from 'vitest'
import { createArrivals } from '../../../../src/engine/custom/link/arrivals.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { createHandlers } from '../../../../src/engine/custom/link/handlers.ts'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { dialBackAnswer, dialBackProtocol, dialBackRequest } from '../../../../src/engine/custom/reach/protocols.ts'
import { createReach } from '../../../../src/engine/custom/reach/reach.ts'
import { createDialGate } from '../../../../src/engine/dial/gate.ts'
import { createDialPolicy } from '../../../../src/engine/dial/policy.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { createReachCounter } from '../../../../src/engine/reach/reach-counts.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { silentLog } from '../../../fixtures/log.ts'

const signal = AbortSignal.timeout(60_000)

/** What reach has to do with links, with a peer that is seen at an address; notes what is dialled. */
function reach(init: { relay?: boolean; remote?: string; isRelayed?: boolean; names?: Record<string, string[]> } = {}) {
  const { relay = false, remote = '/ip4/8.8.4.7/tcp/40001/ws', isRelayed = false, names = {} } = init
  const sent: unknown[] = []
  const link = {
    peerId: 'peer',
    direction: 'inbound',
    remote,
    seenAt: isRelayed ? undefined : '8.8.4.7',
    isRelayed,
    hello: { protocols: [], multiaddrs: [], observed: '' },
    send: (...parts: unknown[]) => sent.push(parts) > 0,
  } as unknown
  const policy = createDialPolicy({ dialPrivate: true, dialOwnHost: true })
  const handlers = createHandlers({ limits: defaultLimits }, { reached: createLimitsReached(), isConfigured: () => false })
  const probed: string[] = []
  const circuits: unknown[] = []
  const links = new Map<string, Link>([['peer', link as Link]])
  const parts = createReach(
    { relay, portMapping: false, webRtc: undefined, secret: new Uint8Array(), limits: defaultLimits },
    {
      links: { get: (peerId: string) => links.get(peerId), all: links.values() } as never,
      handlers,
      meeting: {
        async probe({ ip }) {
          probed.push(ip)
        },
        meet: () => Promise.reject(new Error('no peer is met')),
        meetOver: () => Promise.reject(new Error('no peer is met')),
        arrivalOf: createArrivals().of,
      },
      dialGate: createDialGate({
        policy,
        lookUp: async (name) => names[name] ?? [],
      }),
      listened: () => [],
      told: policy.told,
      dial: async () => undefined,
      onCircuit: (circuit) => void circuits.push(circuit),
      adopt: async () => undefined,
      onChange: () => undefined,
      reached: createLimitsReached(),
      counter: createReachCounter(),
      logger: silentLog,
    },
  )
  parts.start()
  onTestFinished(() => parts.stop())
  async function dialBack(...multiaddrs: string[]) {
    const handler = handlers.get(dialBackProtocol)?.handler
    if (handler === undefined) throw new Error('nobody dials back')
    return dialBackAnswer.decode(await handler({ from: 'peer', body: dialBackRequest.encode({ multiaddrs }), signal })).results
  }
  const frame = (value: object) => parts.receive(link as Link, frameTypes.circuit, Buffer.from(encode(value)))
  return { dialBack, probed, frame, sent, circuits }
}

test('a peer is dialled back at the address that it is seen at, at any of its ports', async () => {
  const { dialBack, probed } = reach()
  const own = ['/ip4/8.8.4.7/tcp/7071/ws', '/ip4/8.8.4.7/tcp/443/wss']
  expect(await dialBack(...own)).toEqual(own.map((each) => ({ multiaddr: each, reached: true })))
  expect(probed).toEqual(['8.8.4.7', '8.8.4.7'])
})

test.each([
  ['/ip4/9.9.9.9/tcp/22/ws'],
  ['/ip4/127.0.0.1/tcp/7071/ws'],
  ['/ip4/10.0.0.1/tcp/7071/ws'],
  ['/ip6/2606:4700::7/tcp/7071/ws'],
  ['/dns4/elsewhere.example/tcp/7071/ws'],
  [`/ip4/8.8.4.7/tcp/7071/ws/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz/p2p-circuit`],
  ['/ip4/8.8.4.7/udp/7071/quic-v1'],
])('nobody has this node dial %s for them', async (address) => {
  multiaddr(address)
  const { dialBack, probed } = reach({ names: { 'elsewhere.example': ['9.9.9.9'] } })
  expect(await dialBack(address)).toEqual([])
  expect(probed).toEqual([])
})

test('of a name with several addresses only the one that the peer is seen at is dialled', async () => {
  const name = '/dns4/both.example/tcp/7071/ws'
  const { dialBack, probed } = reach({ names: { 'both.example': ['9.9.9.9', '8.8.4.7'] } })
  expect(await dialBack(name)).toEqual([{ multiaddr: name, reached: true }])
  expect(probed).toEqual(['8.8.4.7'])
})

test('a peer behind a relay is not dialled back', async () => {
  const { dialBack, probed } = reach({ isRelayed: true })
  await expect(dialBack('/ip4/8.8.4.7/tcp/7071/ws')).rejects.toThrow(/direct link/)
  expect(probed).toEqual([])
})

test.each<[string, object, RegExp]>([
  ['opens a circuit through a node that is no relay', { type: 'open', id: 1, to: 'another' }, /no relay/],
  ['offers a circuit that nobody asked for', { type: 'offer', id: 1, from: 'another' }, /no reservation at this relay/],
])('a peer that %s is refused', async (_, opening, reason) => {
  const { frame, sent, circuits } = reach()
  // The dialler of the link counts in even numbers.
  frame({ ...opening, id: 0 })
  await new Promise((resolve) => setImmediate(resolve))
  expect(
    sent.map((parts) => Buffer.concat((parts as Array<Uint8Array | number>).filter((each) => typeof each !== 'number')).toString()),
  ).toEqual([expect.stringMatching(reason)])
  expect(circuits).toEqual([])
})
