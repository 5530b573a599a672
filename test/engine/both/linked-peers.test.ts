import { expect, test } from 'vitest'
import { createLinkedPeers } from '../../../src/engine/both/linked-peers.ts'
import type { ConnectedPeer, EngineEvent, NetworkKind } from '../../../src/engine/engine.ts'
import { noTraffic } from '../../../src/engine/peer-traffic.ts'

/** A view of a peer, as an engine has it. */
function view(network: NetworkKind, more: Partial<ConnectedPeer> = {}): ConnectedPeer {
  return {
    peerId: 'peer',
    networks: [network],
    multiaddrs: [`/${network}`],
    direction: 'outbound',
    path: { by: 'tcp', via: null, since: 5 },
    agent: null,
    protocols: [],
    latencyMs: null,
    traffic: noTraffic,
    score: null,
    ...more,
  }
}

const traffic = (factor: number) => ({ messagesIn: factor, bytesIn: 2 * factor, messagesOut: 3 * factor, bytesOut: 4 * factor })

/** Two engines of the test's, and what is told of their peers together. */
function linkedPeers() {
  const engines = [0, 1].map(() => {
    const listeners: Array<(event: EngineEvent) => void> = []
    const peers: ConnectedPeer[] = []
    return {
      peers: async () => peers,
      linked: peers,
      listen(listener: (event: EngineEvent) => void) {
        listeners.push(listener)
        return () => undefined
      },
      emit: (event: EngineEvent) => listeners.forEach((listener) => void listener(event)),
    }
  })
  const [custom, libp2p] = engines
  if (custom === undefined || libp2p === undefined) throw new Error('no engines')
  const linked = createLinkedPeers(engines)
  const told: EngineEvent[] = []
  linked.listen((event) => told.push(event))
  return { custom, libp2p, linked, told }
}

test('a peer connects with its first link and disconnects with its last', () => {
  const { custom, libp2p, linked, told } = linkedPeers()
  custom.emit({ type: 'peer:connect', peer: view('custom') })
  libp2p.emit({ type: 'peer:connect', peer: view('libp2p') })
  custom.emit({ type: 'peer:disconnect', peerId: 'peer' })
  expect(linked.peerOf('peer')?.networks).toEqual(['libp2p'])
  libp2p.emit({ type: 'peer:disconnect', peerId: 'peer' })
  expect(linked.peerOf('peer')).toBeUndefined()
  expect(told.map(({ type }) => type)).toEqual(['peer:connect', 'peer:update', 'peer:update', 'peer:disconnect'])
  expect(told.map((event) => ('peer' in event ? event.peer.networks : []))).toEqual([['custom'], ['custom', 'libp2p'], ['libp2p'], []])
})

test('the view of a peer is made of those that the engines have', async () => {
  const { custom, libp2p, linked } = linkedPeers()
  custom.linked.push(
    view('custom', {
      multiaddrs: ['/a', '/b'],
      protocols: ['/p', '/q'],
      latencyMs: 30,
      path: { by: 'relay', via: 'relay', since: 1 },
      traffic: traffic(1),
      score: -2,
    }),
  )
  libp2p.linked.push(
    view('libp2p', { multiaddrs: ['/b', '/c'], protocols: ['/q', '/r'], latencyMs: 20, agent: 'agent', traffic: traffic(10), score: 3 }),
  )
  libp2p.linked.push(view('libp2p', { peerId: 'other' }))
  expect(await linked.peers()).toEqual([
    {
      peerId: 'peer',
      networks: ['custom', 'libp2p'],
      multiaddrs: ['/a', '/b', '/c'],
      direction: 'outbound',
      path: { by: 'tcp', via: null, since: 5 },
      agent: 'agent',
      protocols: ['/p', '/q', '/r'],
      latencyMs: 20,
      traffic: traffic(11),
      score: -2,
    },
    view('libp2p', { peerId: 'other' }),
  ])
})

test('an update is one of the merged view, and other notices pass as they are', () => {
  const { custom, libp2p, told } = linkedPeers()
  custom.emit({ type: 'peer:connect', peer: view('custom') })
  libp2p.emit({ type: 'peer:connect', peer: view('libp2p') })
  libp2p.emit({ type: 'peer:update', peer: view('libp2p', { protocols: ['/p'] }) })
  const joined: EngineEvent = { type: 'topic:subscribe', peerId: 'peer', topic: 'orders' }
  libp2p.emit(joined)
  expect(told.slice(2)).toEqual([
    {
      type: 'peer:update',
      peer: view('custom', { networks: ['custom', 'libp2p'], multiaddrs: ['/custom', '/libp2p'], protocols: ['/p'] }),
    },
    joined,
  ])
})

test('requests take the link that is shown as the path: a direct one before one through a relay', async () => {
  const { custom, libp2p, linked } = linkedPeers()
  custom.linked.push(view('custom', { path: { by: 'relay', via: 'relay', since: 1 } }))
  expect(await linked.engineOf('peer')).toBe(custom)
  libp2p.linked.push(view('libp2p'))
  expect(await linked.engineOf('peer')).toBe(libp2p)
  expect(await linked.engineOf('other')).toBeUndefined()
})
