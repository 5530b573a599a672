import { describe, expect, test } from 'vitest'
import { createOverlay } from '../../../../src/engine/custom/overlay/create-overlay.ts'
import type { FrameOf, OverlayFrame } from '../../../../src/engine/custom/overlay/frames.ts'
import { overlayFrameSchema } from '../../../../src/engine/custom/overlay/frames.ts'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import type { Envelope } from '../../../../src/engine/custom/overlay/overlay.ts'

/** One overlay, and what it asks of its host. */
function overlayForTest() {
  const sent: Array<{ to: string; frame: OverlayFrame }> = []
  const arrived: Envelope[] = []
  const hungUp: string[] = []
  let time = 0
  let accepts = true
  let hasRoom = true
  const overlay = createOverlay(
    { peerId: 'self', multiaddrs: () => ['/sim/self'], limits: defaultOverlayLimits },
    {
      now: () => time,
      random: () => 0.5,
      send(to, frame) {
        if (accepts) sent.push({ to, frame })
        return accepts
      },
      dial() {},
      told() {},
      hangUp: (peerId) => hungUp.push(peerId),
      onMessage(envelope) {
        if (hasRoom) arrived.push(envelope)
        return hasRoom
      },
      onSubscription() {},
    },
  )
  return {
    overlay,
    sent,
    arrived,
    hungUp,
    setRoom(there: boolean) {
      hasRoom = there
    },
    link(peerId: string, topics: string[] = [], pinned = false, direction: 'inbound' | 'outbound' = 'outbound') {
      overlay.connected({ peerId, multiaddrs: [`/sim/${peerId}`] }, { direction, pinned })
      if (topics.length > 0) overlay.receive(peerId, { type: 'subscriptions', add: topics, remove: [] })
    },
    message: (from: string, envelope: Envelope) => overlay.receive(from, { type: 'message', hops: 0, envelope }),
    pass(ms: number) {
      for (const until = time + ms; time < until; ) {
        time += 100
        overlay.tick()
      }
    },
    refuseFrames: () => {
      accepts = false
    },
    sentTo: <Type extends OverlayFrame['type']>(peerId: string, type: Type): Array<FrameOf<Type>> =>
      sent.flatMap(({ to, frame }) => (to === peerId && isOf(frame, type) ? [frame] : [])),
  }
}

function isOf<Type extends OverlayFrame['type']>(frame: OverlayFrame, type: Type): frame is FrameOf<Type> {
  return frame.type === type
}

function envelope(sequence: number, topic = 'orders', author = 'author'): Envelope {
  return { id: `${author}.${sequence}`, topic, bytes: Uint8Array.of(sequence) }
}

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

describe('a neighbour that misbehaves', () => {
  function forge(host: ReturnType<typeof overlayForTest>, outcome: 'forged' | 'reject' = 'forged'): void {
    host.overlay.subscribe('orders')
    for (let sequence = 0; sequence < 10; sequence++) {
      host.message('b', envelope(sequence))
      host.overlay.settle(`author.${sequence}`, outcome)
    }
  }

  test.each(['forged', 'reject'] as const)('is hung up, and hung up again when it comes back (%s)', (outcome) => {
    const host = overlayForTest()
    host.link('b', ['orders'])
    forge(host, outcome)
    expect(host.hungUp).toEqual(['b'])
    host.overlay.disconnected('b')
    host.link('b')
    expect(host.hungUp).toEqual(['b', 'b'])
  })

  test('keeps its link when that is pinned', () => {
    const host = overlayForTest()
    host.link('b', ['orders'], true)
    forge(host)
    expect(host.hungUp).toEqual([])
  })

  test('is hung up for a flood of frames', () => {
    const { overlay, link, hungUp } = overlayForTest()
    link('b')
    for (let times = 0; times < defaultOverlayLimits.controlFramesBurst; times++) overlay.receive('b', { type: 'disconnect' })
    expect(hungUp).toEqual([])
    for (let times = 0; times < 1_000; times++) overlay.receive('b', { type: 'disconnect' })
    expect(hungUp).toEqual(['b'])
  })
})

describe('a link', () => {
  test('without a role is hung up after a while', () => {
    const { link, pass, hungUp, overlay } = overlayForTest()
    link('b')
    overlay.receive('b', { type: 'neighbor-reply', accepted: false })
    pass(defaultOverlayLimits.idleLinkMs + 2_000)
    expect(overlay.size().links === 0 || overlay.size().activeView === 1 || hungUp.length === 0).toBe(true)
  })

  test('beyond the limit makes room by hanging up one without a role', () => {
    const { link, overlay } = overlayForTest()
    for (let index = 0; index < 2 * defaultOverlayLimits.maxLinks; index++) link(`peer-${index}`)
    expect(overlay.size().links).toBe(defaultOverlayLimits.maxLinks)
  })

  test('that has brought something new stays, and so does one with a place in a view, however many others come', () => {
    const { link, overlay, message, hungUp, pass } = overlayForTest()
    overlay.subscribe('orders')
    // A topic in use: who comes now is only told of messages, and has no role.
    link('first', ['orders'])
    message('first', envelope(1))
    overlay.settle('author.1', 'accept')
    for (let index = 0; index < 0.75 * defaultOverlayLimits.maxLinks; index++) link(`early-${index}`, ['orders'], false, 'inbound')
    pass(3_000)
    link('proven', ['orders'], false, 'inbound')
    message('proven', envelope(2))
    overlay.settle('author.2', 'accept')
    overlay.receive('proven', { type: 'prune', topic: 'orders' })
    link('neighbor', [], false, 'inbound')
    overlay.receive('neighbor', { type: 'neighbor', priority: 'high' })
    for (let index = 0; index < 300; index++) {
      link(`peer-${index}`, ['orders'], false, 'inbound')
      pass(100)
    }
    expect(hungUp.length).toBeGreaterThan(200)
    expect(hungUp).not.toContain('proven')
    expect(hungUp).not.toContain('neighbor')
  })

  test('that is new is not the first to go for having no role yet', () => {
    const { link, overlay, message, hungUp, pass } = overlayForTest()
    overlay.subscribe('orders')
    for (let index = 0; index < 0.75 * defaultOverlayLimits.maxLinks; index++) link(`early-${index}`, ['orders'], false, 'inbound')
    message('early-0', envelope(1))
    overlay.settle('author.1', 'accept')
    pass(3_000)
    link('new', [], false, 'inbound')
    expect(hungUp).toHaveLength(1)
    expect(hungUp).not.toContain('new')
  })

  test('that others have dialled leaves room for those that are dialled here', () => {
    const { link, overlay } = overlayForTest()
    for (let index = 0; index < 300; index++) link(`peer-${index}`, ['orders'], false, 'inbound')
    expect(overlay.size().links).toBe(0.75 * defaultOverlayLimits.maxLinks)
  })

  test('that presses for a place in a full view gets that of who came last, not of who has brought something', () => {
    const { link, overlay, message, sentTo } = overlayForTest()
    overlay.subscribe('orders')
    const first = Array.from({ length: defaultOverlayLimits.maxActiveView }, (_, index) => `first-${index}`)
    for (const peerId of first) {
      link(peerId, ['orders'])
      overlay.receive(peerId, { type: 'neighbor', priority: 'high' })
    }
    const proven = first.at(-1) ?? ''
    message(proven, envelope(1))
    overlay.settle('author.1', 'accept')
    for (let index = 0; index < 20; index++) {
      link(`late-${index}`, ['orders'])
      overlay.receive(`late-${index}`, { type: 'neighbor', priority: 'high' })
    }
    const left = first.filter((peerId) => sentTo(peerId, 'disconnect').some(({ topic }) => topic === undefined))
    expect(left).toEqual([first.at(-2)])
  })

  test('tells the other side what is subscribed, now and when it changes', () => {
    const { link, overlay, sentTo } = overlayForTest()
    overlay.subscribe('orders')
    link('b')
    overlay.subscribe('prices')
    overlay.unsubscribe('orders')
    expect(sentTo('b', 'subscriptions').map(({ add, remove }) => [add, remove])).toEqual([
      [['orders'], []],
      [['prices'], []],
      [[], ['orders']],
    ])
  })

  test('holds a bounded number of subscriptions', () => {
    const { link, overlay } = overlayForTest()
    link('b')
    for (let at = 0; at < 20; at++) {
      const add = Array.from({ length: 256 }, (_, index) => `topic-${at}-${index}`)
      overlay.receive('b', { type: 'subscriptions', add, remove: [] })
    }
    expect(overlay.subscribers('topic-0-0')).toEqual(['b'])
    expect(overlay.subscribers('topic-19-0')).toEqual([])
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
