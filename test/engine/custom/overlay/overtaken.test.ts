import { expect, test } from 'vitest'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { overlayForTest } from '../../../fixtures/overlay-for-test.ts'

const topic = 'orders'
const { graftAgainMs, graftMs, overtakenMs } = defaultOverlayLimits
const message = (id: string) => ({ id, topic, bytes: Buffer.from(id) })

/** A node with two neighbours, one of which has announced a message that has not come. */
function missingOne() {
  const node = overlayForTest()
  node.overlay.subscribe(topic)
  for (const peerId of ['one', 'other']) node.link(peerId, [topic])
  const announce = (from: string, ...ids: string[]) =>
    node.overlay.receive(from, { type: 'ihave', topic, messages: ids.map((id) => ({ id, hops: 1 })) })
  announce('other', 'a.1')
  node.sent.length = 0
  const asked = () => node.sent.flatMap(({ to, frame }) => (frame.type === 'graft' && frame.ids.length > 0 ? { to, ids: frame.ids } : []))
  return { ...node, announce, asked }
}

test('an announced message that has not come is told of once, and one that has come is not', () => {
  const { overlay, announced, announce, message: receive } = missingOne()
  announce('one', 'a.1', 'a.2')
  expect(announced).toEqual(['a.1', 'a.2'])
  receive('one', message('a.3'))
  announce('other', 'a.3')
  overlay.settle('a.3', 'accept')
  announce('other', 'a.3')
  expect(announced).toEqual(['a.1', 'a.2'])
})

test('overtakenMs: a message that a later one of its author has overtaken is asked for soon', () => {
  const { asked, pass, message: receive } = missingOne()
  receive('one', message('b.2'))
  pass(overtakenMs + 100)
  expect(asked()).toEqual([])
  receive('one', message('a.2'))
  pass(overtakenMs - 100)
  expect(asked()).toEqual([])
  pass(200)
  expect(asked()).toEqual([{ to: 'other', ids: ['a.1'] }])
})

test('a message of whose author only earlier ones have come is asked for at the usual time', () => {
  const { asked, announce, pass, message: receive } = missingOne()
  announce('other', 'b.7')
  receive('one', message('b.6'))
  pass(graftMs - 100)
  expect(asked()).toEqual([])
  pass(200)
  expect(asked().flatMap(({ ids }) => ids)).toEqual(['a.1', 'b.7'])
})

test('a neighbour that was lazy is told of earlier messages before it is sent a later one', () => {
  const node = overlayForTest()
  node.overlay.subscribe(topic)
  for (const peerId of ['one', 'other']) node.link(peerId, [topic])
  node.overlay.receive('other', { type: 'prune', topic })
  node.sent.length = 0
  node.overlay.publish([message('self.1')])
  node.overlay.receive('other', { type: 'graft', topic, ids: [] })
  node.overlay.publish([message('self.2')])
  const told = node.sent.flatMap(({ to, frame }) => {
    if (to !== 'other') return []
    if (frame.type === 'ihave') return `has ${frame.messages.map(({ id }) => id)}`
    return frame.type === 'message' ? frame.envelope.id : []
  })
  expect(told).toEqual(['has self.1', 'self.2'])
  node.pass(200)
  expect(node.sent.filter(({ frame }) => frame.type === 'ihave')).toHaveLength(1)
})

test('an announced message that nobody sends is given up: its first announcer is told of', () => {
  const { missed, announce, pass, message: receive } = missingOne()
  announce('one', 'a.1', 'b.1')
  receive('one', message('a.2'))
  // Each of the two is asked for a second.
  pass(overtakenMs + 2 * graftAgainMs - 100)
  expect(missed).toEqual([])
  pass(300)
  expect(missed).toEqual([{ peerId: 'other', ids: ['a.1'] }])
  receive('one', message('b.1'))
  pass(10_000)
  expect(missed).toHaveLength(1)
})

test('what only a neighbour that has gone had announced is given up soon, though others may still send it', () => {
  const { overlay, missed, pass, message: receive } = missingOne()
  overlay.disconnected('other')
  receive('one', message('a.2'))
  pass(graftMs - 100)
  expect(missed).toEqual([])
  pass(200)
  expect(missed).toEqual([{ peerId: 'other', ids: ['a.1'] }])
})
