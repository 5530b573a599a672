import { expect, test } from 'vitest'
import type { ConnectedPeer, EngineEvent } from '../../src/engine/engine.ts'
import { noTraffic } from '../../src/engine/peer-traffic.ts'
import { watchPaths } from '../../src/gateway/path-times.ts'
import type { LinkPathName } from '../../src/model/peer.ts'

/** A network of which the test tells what happens, and the times that were measured. */
function watched() {
  const state = { now: 0, measured: [] as Array<[network: string, seconds: number]> }
  let tell: (event: EngineEvent) => void = () => undefined
  const listen = (listener: (event: EngineEvent) => void) => {
    tell = listener
    return () => undefined
  }
  const metrics = { becameDirect: (network: string, seconds: number) => void state.measured.push([network, seconds]) }
  watchPaths([{ kind: 'custom', listen }], { metrics, now: () => state.now })
  const peer = (peerId: string, by: LinkPathName): ConnectedPeer => ({
    ...{
      peerId,
      networks: ['custom'],
      multiaddrs: [],
      direction: 'inbound',
      agent: null,
      protocols: [],
      latencyMs: null,
      traffic: noTraffic,
      score: null,
    },
    path: { by, via: null, since: 0 },
  })
  return {
    state,
    connect: (peerId: string, by: LinkPathName) => tell({ type: 'peer:connect', peer: peer(peerId, by) }),
    update: (peerId: string, by: LinkPathName) => tell({ type: 'peer:update', peer: peer(peerId, by) }),
    disconnect: (peerId: string) => tell({ type: 'peer:disconnect', peerId }),
  }
}

test('the time of a relayed link counts until a direct one takes its place, once', () => {
  const { state, connect, update } = watched()
  connect('a', 'relay')
  state.now = 1_000
  update('a', 'relay')
  state.now = 2_500
  update('a', 'websocket')
  state.now = 9_000
  update('a', 'tcp')
  expect(state.measured).toEqual([['custom', 2.5]])
})

test('a peer that comes back through a relay is measured from there', () => {
  const { state, connect, update, disconnect } = watched()
  connect('a', 'relay')
  state.now = 60_000
  disconnect('a')
  connect('a', 'relay')
  state.now = 61_000
  update('a', 'quic')
  update('a', 'relay')
  state.now = 64_000
  update('a', 'quic')
  expect(state.measured).toEqual([
    ['custom', 1],
    ['custom', 3],
  ])
})

test('a peer that is linked directly from the start, or through a relay only, is not measured', () => {
  const { state, connect, update, disconnect } = watched()
  connect('a', 'tcp')
  update('a', 'tcp')
  connect('b', 'relay')
  disconnect('b')
  connect('b', 'tcp')
  expect(state.measured).toEqual([])
})
