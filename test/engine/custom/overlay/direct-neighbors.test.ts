import { describe, expect, test } from 'vitest'
import { overlayFrameSchema } from '../../../../src/engine/custom/overlay/frames.ts'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { envelope, overlayForTest } from '../../../fixtures/overlay-for-test.ts'

describe('publishing', () => {
  test('hands messages to a linked subscriber at once, in order, without being subscribed', () => {
    const { overlay, link, sentTo } = overlayForTest()
    link('b', ['orders'])
    expect(overlay.publish([envelope(1, 'orders', 'self'), envelope(2, 'orders', 'self')])).toEqual([1, 1])
    expect(sentTo('b', 'message').map((frame) => frame.envelope.id)).toEqual(['self.1', 'self.2'])
  })

  test.each([true, false])('tells a peer whose link ended of what may have been lost with it (subscribed itself: %s)', (isSubscribed) => {
    const { overlay, link, sentTo } = overlayForTest()
    if (isSubscribed) overlay.subscribe('orders')
    link('b', ['orders'])
    overlay.publish([envelope(1, 'orders', 'self')])
    overlay.disconnected('b')
    link('b', ['orders'])
    expect(sentTo('b', 'ihave').flatMap(({ messages }) => messages.map(({ id }) => id))).toEqual(['self.1'])
    overlay.receive('b', { type: 'graft', topic: 'orders', ids: ['self.1'] })
    expect(sentTo('b', 'message').map((frame) => frame.envelope.id)).toEqual(['self.1', 'self.1'])
  })

  test('answers 0 when no linked peer is subscribed', () => {
    const { overlay, link } = overlayForTest()
    link('b')
    expect(overlay.publish([envelope(1, 'orders', 'self')])).toEqual([0])
  })

  test('counts nobody whose queue is full, and announces to them later', () => {
    const { overlay, link, refuseFrames } = overlayForTest()
    link('b', ['orders'])
    refuseFrames()
    expect(overlay.publish([envelope(1, 'orders', 'self')])).toEqual([0])
    expect(overlay.size().announcements).toBe(1)
  })

  test('announces what a full queue had no room for once it has some, and the rest when it has more', () => {
    const { overlay, link, refuseFrames, pass, sentTo } = overlayForTest()
    link('b', ['orders'])
    refuseFrames()
    const count = 700
    const messages = Array.from({ length: count }, (_, number) => envelope(number, 'orders', 'self'))
    for (const each of messages) overlay.publish([each])
    pass(1_000)
    expect(overlay.size().announcements).toBe(count)
    refuseFrames(false)
    pass(100)
    expect(sentTo('b', 'ihave').flatMap(({ messages }) => messages.map(({ id }) => id))).toEqual(messages.map(({ id }) => id))
    expect(overlay.size().announcements).toBe(0)
  })

  test('hands a message to one neighbour even when all asked to be left out', () => {
    const { overlay, link } = overlayForTest()
    overlay.subscribe('orders')
    link('b', ['orders'])
    overlay.receive('b', { type: 'prune', topic: 'orders' })
    expect(overlay.publish([envelope(1, 'orders', 'self')])).toEqual([1])
  })
})

describe('a message of a neighbour', () => {
  function withNeighbors() {
    const host = overlayForTest()
    host.overlay.subscribe('orders')
    for (const peerId of ['b', 'c', 'd']) host.link(peerId, ['orders'])
    return host
  }

  test('is forwarded when it is accepted, and not before', () => {
    const { overlay, message, arrived, sentTo } = withNeighbors()
    message('b', envelope(1))
    expect(arrived).toHaveLength(1)
    expect(sentTo('c', 'message')).toEqual([])
    overlay.settle('author.1', 'accept')
    expect(sentTo('c', 'message')).toHaveLength(1)
    expect(sentTo('b', 'message')).toEqual([])
  })

  test('is not forwarded when it is ignored, and not new again', () => {
    const { overlay, message, arrived, sentTo } = withNeighbors()
    message('b', envelope(1))
    overlay.settle('author.1', 'ignore')
    message('c', envelope(1))
    expect(arrived).toHaveLength(1)
    expect(sentTo('d', 'message')).toEqual([])
  })

  test('of a topic that is not subscribed goes nowhere', () => {
    const { message, arrived } = withNeighbors()
    message('b', envelope(1, 'other'))
    expect(arrived).toEqual([])
  })

  test('that comes twice takes the second link out of the tree, once the first copy is known to be true', () => {
    const { overlay, message, sentTo } = withNeighbors()
    message('b', envelope(1))
    message('c', envelope(1))
    expect(sentTo('c', 'prune')).toEqual([])
    overlay.settle('author.1', 'accept')
    expect(sentTo('c', 'prune')).toHaveLength(1)
    expect(sentTo('c', 'message')).toEqual([])
  })

  test('is neither forwarded nor new again when it is rejected', () => {
    const { overlay, message, arrived, pass, sentTo } = withNeighbors()
    message('b', envelope(1))
    message('c', envelope(1))
    overlay.settle('author.1', 'reject')
    message('d', envelope(1))
    pass(100)
    expect(arrived).toHaveLength(1)
    expect(
      ['b', 'c', 'd'].flatMap((peerId) => [...sentTo(peerId, 'message'), ...sentTo(peerId, 'graft').flatMap(({ ids }) => ids)]),
    ).toEqual([])
  })

  test('for which there is no room is forgotten, and taken when it comes again', () => {
    const { overlay, message, arrived, setRoom, sentTo } = withNeighbors()
    setRoom(false)
    message('b', envelope(1))
    expect(overlay.size()).toMatchObject({ pending: 0, seen: 0 })
    setRoom(true)
    message('c', envelope(1))
    expect(arrived).toHaveLength(1)
    overlay.settle('author.1', 'accept')
    expect(sentTo('b', 'prune')).toEqual([])
  })

  test('that was forged does not shut out the true one', () => {
    const { overlay, message, arrived } = withNeighbors()
    message('b', envelope(1))
    overlay.settle('author.1', 'forged')
    message('c', envelope(1))
    expect(arrived).toHaveLength(2)
  })

  test('that was forged is asked of who sent the same meanwhile', () => {
    const { overlay, message, pass, sentTo } = withNeighbors()
    message('b', envelope(1))
    message('c', envelope(1))
    overlay.settle('author.1', 'forged')
    pass(100)
    expect(sentTo('c', 'graft').flatMap(({ ids }) => ids)).toEqual(['author.1'])
  })

  test('that was announced and does not come is asked for', () => {
    const { overlay, pass, sentTo } = withNeighbors()
    overlay.receive('b', { type: 'ihave', topic: 'orders', messages: [{ id: 'author.1', hops: 1 }] })
    pass(defaultOverlayLimits.graftMs - 100)
    expect(sentTo('b', 'graft').flatMap(({ ids }) => ids)).toEqual([])
    pass(200)
    expect(sentTo('b', 'graft').flatMap(({ ids }) => ids)).toEqual(['author.1'])
  })

  test('that was said since the subscription is asked for when a new neighbour tells of it, an older one is not', () => {
    const { overlay, link, pass, sentTo } = overlayForTest()
    pass(1_000)
    overlay.subscribe('orders')
    pass(500)
    link('a', ['orders'])
    const messages = [envelope(1), envelope(2)].map(({ id }, index) => ({ id, hops: 0, ageMs: [600, 400][index] }))
    overlay.receive('a', { type: 'ihave', topic: 'orders', messages })
    pass(2_000)
    expect(sentTo('a', 'graft').flatMap(({ ids }) => ids)).toEqual([envelope(2).id])
  })

  test('of the last seconds is told to a new neighbour, with its age', () => {
    const { overlay, link, pass, sentTo } = overlayForTest()
    overlay.subscribe('orders')
    overlay.publish([envelope(1)])
    pass(9_000)
    overlay.publish([envelope(2)])
    pass(2_000)
    link('a', ['orders'])
    expect(sentTo('a', 'ihave').flatMap(({ messages }) => messages)).toEqual([{ id: envelope(2).id, hops: 0, ageMs: 2_000 }])
  })

  test('is sent once to who asks for it', () => {
    const { overlay, sentTo } = withNeighbors()
    overlay.receive('b', { type: 'prune', topic: 'orders' })
    overlay.publish([envelope(1, 'orders', 'self')])
    for (let times = 0; times < 3; times++) overlay.receive('b', { type: 'graft', topic: 'orders', ids: ['self.1'] })
    expect(sentTo('b', 'message')).toHaveLength(1)
  })
})

test('all frames have the shapes that are declared', () => {
  const { overlay, link, sent, pass } = overlayForTest()
  overlay.subscribe('orders')
  for (const peerId of ['b', 'c', 'd']) link(peerId, ['orders'])
  overlay.publish([envelope(1, 'orders', 'self')])
  pass(60_000)
  for (const { frame } of sent) expect(overlayFrameSchema.safeParse(frame).success).toBe(true)
})
