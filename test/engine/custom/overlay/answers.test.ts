import { expect, test } from 'vitest'
import { defaultOverlayLimits, type OverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { envelope, overlayForTest } from '../../../fixtures/overlay-for-test.ts'

const topic = 'orders'
const idOf = (sequence: number) => envelope(sequence, topic, 'self').id

/** A node with messages that its lazy neighbour `b` was told of. */
function node(count: number, limits: Partial<OverlayLimits> = {}) {
  const host = overlayForTest({ maxPenalty: 1, ...limits })
  host.overlay.subscribe(topic)
  for (const peerId of ['b', 'c']) host.link(peerId, [topic])
  host.overlay.receive('b', { type: 'prune', topic })
  host.overlay.publish(Array.from({ length: count }, (_, sequence) => envelope(sequence, topic, 'self')))
  return {
    ...host,
    ask: (...sequences: number[]) => host.overlay.receive('b', { type: 'graft', topic, ids: sequences.map(idOf) }),
    got: () => host.sentTo('b', 'message').map((frame) => frame.envelope.id),
  }
}

test('messages that the link has no room for are sent when it has some, in the order in which they were asked for', () => {
  const { ask, got, overlay, pass, refuseFrames } = node(3)
  refuseFrames()
  ask(2, 0)
  ask(0, 1)
  pass(1_000)
  expect(got()).toEqual([])
  expect(overlay.size().answers).toBe(3)
  refuseFrames(false)
  pass(100)
  expect(got()).toEqual([2, 0, 1].map(idOf))
  pass(1_000)
  expect(got()).toHaveLength(3)
})

test('they are sent before later messages', () => {
  const { ask, got, overlay, refuseFrames } = node(1)
  refuseFrames()
  ask(0)
  refuseFrames(false)
  overlay.publish([envelope(1, topic, 'self')])
  expect(got()).toEqual([0, 1].map(idOf))
})

test('they are not sent to a neighbour that has unsubscribed meanwhile', () => {
  const { ask, got, overlay, pass, refuseFrames } = node(2)
  refuseFrames()
  ask(0, 1)
  overlay.receive('b', { type: 'subscriptions', add: [], remove: [topic] })
  refuseFrames(false)
  pass(100)
  expect(got()).toEqual([])
})

test('maxPeerMissing: as many wait for a neighbour as it may miss', () => {
  const { ask, overlay, refuseFrames } = node(3, { maxPeerMissing: 2 })
  refuseFrames()
  ask(0, 1, 2)
  expect(overlay.size().answers).toBe(2)
})

test.each([true, false])('which messages were asked for is known while they are kept (there is room for them: %s)', (isRoom) => {
  const { ask, overlay, pass, refuseFrames } = node(2)
  refuseFrames(!isRoom)
  ask(0, 1)
  expect(overlay.size().answers).toBe(2)
  pass(2 * defaultOverlayLimits.cacheMs)
  expect(overlay.size().answers).toBe(0)
})

test('a message that a link took to its end is sent again on the next link, and only once on each', () => {
  const { ask, got, overlay, link, hungUp } = node(1)
  ask(0)
  overlay.disconnected('b')
  link('b', [topic])
  ask(0)
  expect(got()).toEqual([0, 0].map(idOf))
  expect(hungUp).toEqual([])
  ask(0)
  expect(got()).toHaveLength(2)
  expect(hungUp).toEqual(['b'])
})
