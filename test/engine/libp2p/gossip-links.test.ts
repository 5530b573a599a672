import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createGossipLinks } from '../../../src/engine/libp2p/gossip/gossip-links.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const protocol = '/meshsub/1.1.0'
const peerId = 'peer'

/** gossipsub and the links of a node with one peer, as far as they are looked at, and what was done to them. */
function setUp() {
  const done = {
    opened: [] as unknown[],
    grafted: [] as string[],
    told: [] as string[],
    reachable: [] as string[][],
    broken: 0,
    refused: 0,
    /** The topics that the peer was told, each time. */
    subscribed: [] as string[][],
    left: [] as string[],
  }
  const network = {
    connections: [] as Array<ReturnType<typeof connection>>,
    spoken: [protocol],
    /** Topics whose mesh has room. */
    room: ['orders', 'news'],
    /** The topics of this node. */
    own: ['orders', 'news', 'own only'],
  }
  const mesh = new Map<string, Set<string>>()
  const streamsOutbound = new Map()
  const peers = new Map([[peerId, peerId]])
  const topics = new Map<string, Set<string>>()
  const pubsub = Object.assign(new EventTarget(), { protocols: [protocol], getTopics: () => network.own })

  function connection(more: { status?: string; openMs?: number; inbound?: EventTarget[] } = {}) {
    const { status = 'open', openMs = 10_000, inbound = [] } = more
    const streams = inbound.map((stream) => Object.assign(stream, { direction: 'inbound', protocol }))
    return { remotePeer: peerId, status, timeline: { open: Date.now() - openMs }, streams }
  }

  /** A stream that gossipsub has opened to the peer; it forgets one that has ended. */
  class FakeStream extends EventTarget {
    status = 'open'
    remoteWriteStatus = 'writable'
    isAborted = false

    abort(status: unknown = 'aborted'): void {
      if (this.isAborted) return
      this.status = String(status)
      this.isAborted = true
      streamsOutbound.delete(peerId)
      this.dispatchEvent(new Event('close'))
    }
  }

  const internals = Object({
    streamsOutbound,
    mesh,
    onIncomingStream: () => undefined,
    sendSubscriptions: (_peerId: string, told: string[]) => done.subscribed.push(told),
    sendPrune: async (_peerId: string, topic: string) => void done.left.push(topic),
    topics,
    peers,
    graftOnSubscribe(_peerId: string, topic: string) {
      done.grafted.push(topic)
      return network.room.includes(topic)
    },
    sendGraft: (_peerId: string, grafted: string[]) => done.told.push(...grafted),
    onPeerConnected: (_peerId: unknown, each: unknown) => done.opened.push(each),
  })
  const links = createGossipLinks({
    pubsub: Object(pubsub),
    internals,
    connections: () => Object(network.connections),
    spoken: () => network.spoken,
    onReachable: (_peerId, subscribed) => done.reachable.push(subscribed),
    onBroken: () => void done.broken++,
    onRefused: () => void done.refused++,
  })
  return {
    ...{ done, network, peers, topics, mesh, links, connection, streamsOutbound },
    /** The peer opens a stream. */
    incoming: () => internals.onIncomingStream({}, connection()),
    stream: () => new FakeStream(),
    beat(times = 3) {
      for (let count = 0; count < times; count++) pubsub.dispatchEvent(new Event('gossipsub:heartbeat'))
    },
    async open(rawStream: FakeStream): Promise<void> {
      streamsOutbound.set(peerId, { rawStream })
      await vi.advanceTimersByTimeAsync(0)
    },
  }
}

describe('a peer to which a stream is open', () => {
  test('is taken into the mesh of its topics, and said to be reachable', async () => {
    const { topics, done, open, stream, links, network } = setUp()
    topics.set('orders', new Set([peerId]))
    topics.set('full', new Set([peerId]))
    topics.set('of another', new Set(['another']))
    expect(links.reaches(peerId)).toBe(false)
    await open(stream())
    expect(links.reaches(peerId)).toBe(true)
    expect(done).toMatchObject({ grafted: ['orders', 'full'], told: ['orders'], reachable: [['orders', 'full']] })
    network.room = []
    await open(stream())
    expect(done.told).toEqual(['orders'])
  })

  test('that has told no topics, or whose stream has ended at once, is not', async () => {
    const { topics, done, open, stream, streamsOutbound } = setUp()
    await open(stream())
    topics.set('orders', new Set([peerId]))
    streamsOutbound.set(peerId, { rawStream: stream() })
    streamsOutbound.delete(peerId)
    await vi.advanceTimersByTimeAsync(0)
    expect(done).toMatchObject({ grafted: [], told: [], reachable: [] })
  })
})

describe('a stream whose other end was closed', () => {
  test('is ended, and another one opened, after pauses that grow until one has lasted', async () => {
    const { network, connection, done, open, stream } = setUp()
    network.connections = [connection({ status: 'closed' }), connection(), connection()]
    const pauses: number[] = []
    for (let count = 1; count <= 14; count++) {
      const each = stream()
      await open(each)
      if (count === 13) await vi.advanceTimersByTimeAsync(60_000)
      each.dispatchEvent(new Event('remoteCloseWrite'))
      expect([each.isAborted, done.broken]).toEqual([true, count])
      const begun = Date.now()
      while (done.opened.length < count) await vi.advanceTimersToNextTimerAsync()
      pauses.push(Date.now() - begun)
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 50, 100])
    expect(new Set(done.opened)).toEqual(new Set([network.connections[1]]))
  })

  test('tells that the peer refuses something, unless the link ends too, or this end has closed it', async () => {
    const { network, connection, done, open, stream } = setUp()
    const endings: Array<[refused: number, end: (each: ReturnType<typeof stream>, link: { status: string }) => void]> = [
      [1, (each) => void each.dispatchEvent(new Event('remoteCloseWrite'))],
      [1, (each) => each.abort('reset')],
      [0, (each) => each.abort()],
      [
        0,
        (each, link) => {
          each.dispatchEvent(new Event('remoteCloseWrite'))
          link.status = 'closed'
        },
      ],
    ]
    for (const [refused, end] of endings) {
      done.refused = 0
      const each = stream()
      const link = connection({ inbound: [each] })
      network.connections = [link, connection()]
      await open(each)
      end(each, link)
      await vi.advanceTimersByTimeAsync(1_000)
      expect(done.refused).toBe(refused)
    }
  })

  test.each([{ status: 'reset' }, { status: 'aborted' }, { status: 'closed' }, { remoteWriteStatus: 'closed' }])(
    'is not kept when it had ended before gossipsub listens for that (%o), and another one is opened',
    async (state) => {
      const { network, connection, done, stream, open, links } = setUp()
      network.connections = [connection()]
      const ended = stream()
      Object.assign(ended, state)
      await open(ended)
      expect([ended.isAborted, links.reaches(peerId), done.broken, done.opened]).toEqual([true, false, 1, []])
      await vi.advanceTimersByTimeAsync(50)
      expect(done).toMatchObject({ opened: network.connections, refused: 0 })
      await open(stream())
      expect(links.reaches(peerId)).toBe(true)
    },
  )

  test('is not opened again when there is one, or no link, any more', async () => {
    const { network, connection, done, open, stream } = setUp()
    const [first, second, third] = [stream(), stream(), stream()]
    network.connections = [connection()]
    await open(first)
    first.abort()
    await open(second)
    await vi.advanceTimersByTimeAsync(100)
    expect([done.broken, done.opened]).toEqual([1, []])
    network.connections = [connection({ status: 'closing' })]
    second.abort()
    await vi.advanceTimersByTimeAsync(1_000)
    expect([done.broken, done.opened]).toEqual([1, []])
    network.connections = [connection()]
    await open(third)
    third.abort()
    network.connections = []
    await vi.advanceTimersByTimeAsync(1_000)
    expect([done.broken, done.opened]).toEqual([2, []])
  })

  test('is opened at once again by a peer that has been away', async () => {
    const { network, connection, done, open, stream, links } = setUp()
    network.connections = [connection()]
    for (let count = 1; count <= 4; count++) {
      const each = stream()
      await open(each)
      each.abort()
      await vi.advanceTimersByTimeAsync(10_000)
    }
    links.gone(peerId)
    const next = stream()
    await open(next)
    next.abort()
    await vi.advanceTimersByTimeAsync(50)
    expect(done.opened.length).toBe(5)
  })
})

describe('a link without a stream', () => {
  test('gets one at each third heartbeat, once it had time to get one by itself', () => {
    const { network, connection, done, beat } = setUp()
    network.connections = [connection({ openMs: 3_000 }), connection({ status: 'closing' })]
    beat()
    expect(done.opened).toEqual([])
    network.connections = [connection({ openMs: 3_001 })]
    beat(2)
    expect(done.opened).toEqual([])
    beat(1)
    expect(done.opened).toEqual(network.connections)
  })

  test('gets none while there is a stream, nor in the pause of a peer that has ended one', async () => {
    const { network, connection, done, beat, open, stream } = setUp()
    network.connections = [connection()]
    const rawStream = stream()
    await open(rawStream)
    beat()
    rawStream.abort()
    beat()
    expect(done.opened).toEqual([])
    await vi.advanceTimersByTimeAsync(50)
    beat()
    expect(done.opened.length).toBe(2)
  })

  test('gets one if its peer speaks gossip, has not said, or sends some', () => {
    const { network, connection, done, beat } = setUp()
    network.connections = [connection()]
    network.spoken = ['/other']
    beat()
    expect(done.opened.length).toBe(0)
    network.spoken = []
    beat()
    expect(done.opened.length).toBe(1)
    network.spoken = ['/other']
    network.connections = [connection({ inbound: [new EventTarget()] })]
    beat()
    expect(done.opened.length).toBe(2)
  })

  test('has its peer tell its topics again when they are forgotten', () => {
    const { network, connection, beat, peers, stream } = setUp()
    const inbound = stream()
    network.connections = [connection({ inbound: [inbound] })]
    beat()
    expect(inbound.isAborted).toBe(false)
    peers.clear()
    beat()
    expect(inbound.isAborted).toBe(true)
  })
})

describe('a peer that opens another stream', () => {
  test('is told all topics again, and those of its mesh, but not for its first stream', async () => {
    const { done, mesh, open, stream, incoming } = setUp()
    mesh.set('orders', new Set([peerId]))
    mesh.set('news', new Set(['another']))
    await open(stream())
    incoming()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(done.subscribed).toEqual([])
    incoming()
    await vi.advanceTimersByTimeAsync(0)
    expect(done).toMatchObject({ subscribed: [['orders', 'news', 'own only']], told: ['orders'] })
  })

  test('is told them once a second, however many it opens, the last time after the last one', async () => {
    const { done, open, stream, incoming } = setUp()
    await open(stream())
    for (let count = 0; count <= 100; count++) {
      incoming()
      await vi.advanceTimersByTimeAsync(100)
    }
    await vi.advanceTimersByTimeAsync(1_000)
    expect(done.subscribed).toHaveLength(11)
  })

  test('is told nothing when it has gone, or has no stream from this node', async () => {
    const { done, links, open, stream, streamsOutbound, incoming } = setUp()
    await open(stream())
    incoming()
    incoming()
    links.gone(peerId)
    await vi.advanceTimersByTimeAsync(1_000)
    incoming()
    streamsOutbound.clear()
    incoming()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(done.subscribed).toEqual([])
  })
})

test('leaves the meshes of the topics that this node and a peer have joined, a thousand at most', async () => {
  const { done, links, network, topics, mesh } = setUp()
  topics.set('orders', new Set([peerId, 'another']))
  topics.set('news', new Set(['another']))
  topics.set('its own only', new Set([peerId]))
  mesh.set('orders', new Set([peerId, 'another']))
  await links.leaveMeshes(peerId)
  expect(done.left).toEqual(['orders'])
  expect([...(mesh.get('orders') ?? [])]).toEqual(['another'])
  network.own = Array.from({ length: 2_000 }, (_, number) => `${number}`)
  for (const topic of network.own) topics.set(topic, new Set([peerId]))
  await links.leaveMeshes(peerId)
  expect(done.left).toHaveLength(1_001)
})
