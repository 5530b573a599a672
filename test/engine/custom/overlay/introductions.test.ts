import { expect, test } from 'vitest'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { overlayForTest } from '../../../fixtures/overlay-for-test.ts'

/** Whom a node tells of a peer that has joined at it. */

const { joinHops } = defaultOverlayLimits

function withNeighbour() {
  const host = overlayForTest()
  host.link('neighbour')
  host.overlay.receive('neighbour', { type: 'neighbor', priority: 'high' })
  host.link('new', [], false, 'inbound')
  const told = () => host.sentTo('neighbour', 'forward-join').map(({ peer }) => peer.multiaddrs)
  const update = (...multiaddrs: string[]) => host.overlay.updated({ peerId: 'new', multiaddrs }, { pinned: false })
  return { ...host, told, update }
}

test('the neighbours are told of it, and once more when it tells where else it is reached', () => {
  const { overlay, sentTo, told, update } = withNeighbour()
  overlay.receive('new', { type: 'join' })
  expect(told()).toEqual([['/sim/new']])
  update('/sim/new')
  expect(told()).toHaveLength(1)
  update('/sim/new', '/sim/relay/p2p-circuit')
  expect(told()).toEqual([['/sim/new'], ['/sim/new', '/sim/relay/p2p-circuit']])
  expect(sentTo('neighbour', 'forward-join').map(({ hops }) => hops)).toEqual([joinHops, joinHops])
  update('/sim/elsewhere')
  expect(told()).toHaveLength(2)
  expect(sentTo('new', 'forward-join')).toEqual([])
})

test('nobody is told of new addresses of a peer that has not joined here', () => {
  const { told, update } = withNeighbour()
  update('/sim/new', '/sim/relay/p2p-circuit')
  expect(told()).toEqual([])
})

test('a peer whose dial has failed is dialled at once when others tell where else it is reached', () => {
  const { overlay, link, dialled } = overlayForTest()
  link('neighbour')
  const tell = (...multiaddrs: string[]) =>
    overlay.receive('neighbour', { type: 'forward-join', peer: { peerId: 'new', multiaddrs }, hops: 0 })
  tell('/sim/new')
  overlay.dialFailed('new')
  tell('/sim/new')
  expect(dialled).toEqual([['/sim/new']])
  tell('/sim/new', '/sim/relay/p2p-circuit')
  expect(dialled).toEqual([['/sim/new'], ['/sim/new', '/sim/relay/p2p-circuit']])
  overlay.dialFailed('new')
  tell('/sim/relay/p2p-circuit')
  expect(dialled).toHaveLength(2)
})
