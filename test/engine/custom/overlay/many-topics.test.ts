import { describe, expect, test } from 'vitest'
import { workBudget } from '../../../../src/engine/custom/link/frame-budget.ts'
import { priceOf, priceOfControl } from '../../../../src/engine/custom/link/frame-prices.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import type { OverlayFrame } from '../../../../src/engine/custom/overlay/frames.ts'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { envelope, overlayForTest } from '../../../fixtures/overlay-for-test.ts'

const names = (count: number, prefix = 'topic') => Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
const inFrames = (topics: string[]) =>
  Array.from({ length: Math.ceil(topics.length / 256) }, (_, at) => topics.slice(256 * at, 256 * (at + 1)))

/** An overlay that is told so many topics of a peer, in frames. */
function withTopics(host: ReturnType<typeof overlayForTest>, peerId: string, topics: string[]): void {
  for (const add of inFrames(topics)) host.overlay.receive(peerId, { type: 'subscriptions', add, remove: [] })
}

describe('room for the topics of peers', () => {
  test('each peer has its own, and all share the rest', () => {
    const host = overlayForTest({ maxPeerTopics: 10, ownPeerTopics: 2, maxSharedPeerTopics: 5 })
    for (const peerId of ['b', 'c', 'd']) host.link(peerId)
    withTopics(host, 'b', names(4, 'b'))
    withTopics(host, 'c', names(9, 'c'))
    expect(host.refusedTopics()).toBe(4)
    expect(host.overlay.subscribers('c-4')).toEqual(['c'])
    expect(host.overlay.subscribers('c-5')).toEqual([])
    withTopics(host, 'd', names(3, 'd'))
    expect(names(3, 'd').map((topic) => host.overlay.subscribers(topic).length)).toEqual([1, 1, 0])
  })

  test('comes back when topics are left, and when links end', () => {
    const host = overlayForTest({ ownPeerTopics: 1, maxSharedPeerTopics: 2 })
    for (const peerId of ['b', 'c']) host.link(peerId)
    withTopics(host, 'b', names(3, 'b'))
    withTopics(host, 'c', names(2, 'c'))
    expect(host.overlay.subscribers('c-1')).toEqual([])
    host.overlay.receive('b', { type: 'subscriptions', add: [], remove: ['b-0', 'unknown'] })
    withTopics(host, 'c', ['c-1', 'c-2'])
    expect(host.overlay.subscribers('c-1')).toEqual(['c'])
    expect(host.overlay.subscribers('c-2')).toEqual([])
    host.overlay.disconnected('b')
    withTopics(host, 'c', ['c-2', 'c-3'])
    expect(host.overlay.subscribers('c-2')).toEqual(['c'])
    expect(host.overlay.subscribers('c-3')).toEqual([])
  })

  test.each<[what: string, frame: OverlayFrame]>([
    ['asks to be its neighbour', { type: 'neighbor', topic: 'c-1', priority: 'low' }],
    ['asks for its messages', { type: 'graft', topic: 'c-1', ids: [] }],
    ['asks for the messages of several topics', { type: 'grafts', topics: ['c-0', 'c-1', 'elsewhere'] }],
  ])('is looked for again when a peer whose topic had none %s', (_, frame) => {
    const host = overlayForTest({ ownPeerTopics: 1, maxSharedPeerTopics: 1 })
    host.overlay.subscribe('c-1')
    for (const peerId of ['b', 'c']) host.link(peerId)
    withTopics(host, 'b', names(2, 'b'))
    withTopics(host, 'c', names(2, 'c'))
    host.overlay.receive('c', frame)
    expect(host.overlay.subscribers('c-1')).toEqual([])
    expect(host.overlay.publish([envelope(1, 'c-1', 'self')])).toEqual([0])
    host.overlay.disconnected('b')
    host.overlay.receive('c', frame)
    expect(host.overlay.subscribers('c-1')).toEqual(['c'])
    expect(host.overlay.subscribers('elsewhere')).toEqual([])
    expect(host.overlay.publish([envelope(2, 'c-1', 'self')])).toEqual([1])
  })
})

test('a peer that joins topics pays for the messages that it is told of', () => {
  const host = overlayForTest()
  host.overlay.subscribe('orders')
  host.link('b')
  host.overlay.publish([envelope(1, 'orders', 'self'), envelope(2, 'orders', 'self')])
  withTopics(host, 'b', ['orders', 'others'])
  expect(host.told).toEqual([{ to: 'b', messages: 2 }])
})

describe('ten thousand topics in common with a neighbour', () => {
  const host = overlayForTest()
  const topics = names(10_000)
  for (const topic of topics) host.overlay.subscribe(topic)
  host.link('b')
  const greeting = host.sentTo('b', 'subscriptions')
  withTopics(host, 'b', topics)

  test('are all known at once, in frames of many', () => {
    expect(topics.filter((topic) => host.overlay.subscribers(topic).length === 0)).toEqual([])
    expect(greeting).toHaveLength(40)
    expect(host.sentTo('b', 'graft')).toEqual([])
    expect(host.sentTo('b', 'grafts').flatMap((frame) => frame.topics)).toEqual(topics)
  })

  test('carry a message of any of them to the neighbour', () => {
    expect(host.overlay.publish([envelope(1, 'topic-9999', 'self')])).toEqual([1])
    host.message('b', envelope(2, 'topic-9999'))
    expect(host.arrived).toHaveLength(1)
  })

  test('cost the neighbour less than half of what it grants, at first and for minutes', () => {
    const walks: string[] = ['join', 'forward-join', 'neighbor', 'shuffle', 'seek']
    host.overlay.receive('b', { type: 'neighbor', priority: 'high' })
    const seconds = 300
    host.pass(seconds * 1_000)
    const frames = host.sent.filter(({ to }) => to === 'b').map(({ frame }) => frame)
    const price = frames.reduce(
      (sum, frame) => sum + priceOf(frameTypes.control) + (frame.type === 'message' ? 0 : priceOfControl(frame)),
      0,
    )
    expect(price).toBeLessThan((workBudget.burst + seconds * workBudget.perSecond) / 2)
    const { walksBurst, walksPerSecond } = defaultOverlayLimits
    expect(frames.filter(({ type }) => walks.includes(type)).length).toBeLessThan(walksBurst + seconds * walksPerSecond)
    expect(frames.filter(({ type }) => type === 'neighbor' || type === 'shuffle').length).toBeGreaterThan(0)
  })

  test('keep the link', () => {
    host.pass(60_000)
    expect(host.hungUp).toEqual([])
  })

  test('are forgotten with the link', () => {
    host.overlay.disconnected('b')
    expect(topics.filter((topic) => host.overlay.subscribers(topic).length > 0)).toEqual([])
  })
})
