import { describe, expect, test } from 'vitest'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { envelope, overlayForTest } from '../../../fixtures/overlay-for-test.ts'

/** Which links the overlay keeps, and which it hangs up. */

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
    for (let at = 0; at < 41; at++) {
      const add = Array.from({ length: 256 }, (_, index) => `topic-${at}-${index}`)
      overlay.receive('b', { type: 'subscriptions', add, remove: [] })
    }
    expect(overlay.subscribers('topic-0-0')).toEqual(['b'])
    expect(overlay.subscribers('topic-38-255')).toEqual(['b'])
    expect(overlay.subscribers('topic-40-0')).toEqual([])
  })
})
