import { expect, test } from 'vitest'
import { defaultOverlayLimits, type OverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { envelope, overlayForTest } from '../../../fixtures/overlay-for-test.ts'

const topic = 'orders'
const { graftAgainMs, graftMs, promiseMs } = defaultOverlayLimits
const id = 'author.1'

/** A node that avoids a neighbour after one broken promise. */
function node(limits: Partial<OverlayLimits> = {}) {
  const host = overlayForTest({ maxPenalty: 1, ...limits })
  host.overlay.subscribe(topic)
  for (const peerId of ['b', 'c']) host.link(peerId, [topic])
  return {
    ...host,
    announce: (from: string, ...ids: string[]) =>
      host.overlay.receive(from, { type: 'ihave', topic, messages: ids.map((each) => ({ id: each, hops: 1 })) }),
    bring(from: string, sequence: number, author: string) {
      const brought = envelope(sequence, topic, author)
      host.message(from, brought)
      host.overlay.settle(brought.id, 'accept')
    },
    asked: (peerId: string) => host.sentTo(peerId, 'graft').flatMap(({ ids }) => ids),
  }
}

test('a neighbour that neither sends what it announced nor anything else has broken a promise after half a minute', () => {
  const { announce, bring, pass, hungUp } = node()
  bring('b', 1, 'another')
  pass(100)
  announce('b', id)
  pass(graftMs + promiseMs - 100)
  expect(hungUp).toEqual([])
  pass(100)
  expect(hungUp).toEqual(['b'])
})

test('a neighbour whose link is full of other messages breaks no promise', () => {
  const { announce, bring, pass, hungUp, overlay } = node()
  announce('b', id)
  pass(graftMs + graftAgainMs)
  bring('b', 1, 'another')
  pass(promiseMs)
  expect(hungUp).toEqual([])
  // Only for what it was asked before.
  announce('b', 'author.2')
  pass(graftMs + promiseMs)
  expect(hungUp).toEqual(['b'])
  expect(overlay.size().missing).toBe(0)
})

test('a message that another neighbour brings is promised by nobody any longer', () => {
  const { announce, bring, pass, hungUp, asked } = node()
  announce('b', id)
  pass(graftMs + graftAgainMs)
  expect(asked('b')).toEqual([id])
  bring('c', 1, 'author')
  pass(promiseMs)
  expect(hungUp).toEqual([])
})

test('a request that the link has no room for binds nobody', () => {
  const { announce, pass, hungUp, refuseFrames } = node()
  announce('b', id)
  refuseFrames()
  pass(graftMs + promiseMs + graftAgainMs)
  expect(hungUp).toEqual([])
})

test('a neighbour whose link had no room for the request is asked once more, and others at once', () => {
  const { announce, pass, asked, refuseFrames, missed } = node()
  announce('b', id, 'author.2')
  announce('c', 'author.2')
  refuseFrames()
  pass(graftMs)
  refuseFrames(false)
  pass(100)
  expect([asked('b'), asked('c')]).toEqual([[], ['author.2']])
  pass(graftAgainMs)
  expect([asked('b'), asked('c')]).toEqual([[id, 'author.2'], ['author.2']])
  // Nobody is asked for ever.
  announce('b', 'author.3')
  refuseFrames()
  pass(graftMs + 2 * graftAgainMs)
  expect(missed).toContainEqual({ peerId: 'b', ids: ['author.3'] })
})

test('links that had no room are asked again when they had time to drain, however many they are', () => {
  const { announce, pass, asked, refuseFrames, missed } = node()
  announce('b', id)
  announce('c', id)
  refuseFrames()
  pass(graftMs + 400)
  refuseFrames(false)
  pass(graftAgainMs)
  expect([...asked('b'), ...asked('c')]).toEqual([id])
  pass(graftAgainMs)
  expect(missed).toEqual([])
})

test('a neighbour whose promise is late is asked after others', () => {
  const { announce, bring, pass, asked } = node()
  announce('b', id)
  pass(graftMs + graftAgainMs)
  bring('b', 1, 'another')
  announce('b', 'author.2')
  announce('c', 'author.2')
  pass(graftMs)
  expect([asked('b'), asked('c')]).toEqual([[id], ['author.2']])
})

test('maxPeerMissing: what a neighbour was asked for takes its places until half a minute is over', () => {
  const { announce, pass, announced, bring } = node({ maxPeerMissing: 2, maxPenalty: 100 })
  announce('b', 'author.1', 'author.2')
  pass(graftMs + graftAgainMs)
  bring('b', 1, 'another')
  announce('b', 'author.3')
  expect(announced).toEqual(['author.1', 'author.2'])
  pass(promiseMs)
  announce('b', 'author.4')
  expect(announced).toEqual(['author.1', 'author.2', 'author.4'])
})
