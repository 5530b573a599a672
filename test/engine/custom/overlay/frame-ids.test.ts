import { expect, test } from 'vitest'
import { overlayFrameSchema } from '../../../../src/engine/custom/overlay/frames.ts'
import { sequenceOf } from '../../../../src/model/signed-message.ts'

/** Ids in frames are taken apart, also in work for other links: text that is no id has to be refused with its frame. */

const author = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'

const framesWith = (id: string) => [
  { type: 'ihave', topic: 'orders', messages: [{ id, hops: 1 }] },
  { type: 'graft', topic: 'orders', ids: [id] },
  { type: 'message', hops: 1, envelope: { id, topic: 'orders', bytes: new Uint8Array(1) } },
]

const taken = (id: string) => framesWith(id).map((frame) => overlayFrameSchema.safeParse(frame).success)

test.each([`${author}.0`, `${author}.1795444444000000001`, `${author}.18446744073709551615`])('%j is an id, and has a number', (id) => {
  expect(taken(id)).toEqual([true, true, true])
  expect(sequenceOf(id)).toBeTypeOf('bigint')
})

test.each([
  `${author}.x`,
  `${author}.`,
  `${author}.1e3`,
  `${author}.-1`,
  `${author}.0x10`,
  `${author}. 1`,
  `${author}.123456789012345678901`,
  // A message has one id.
  `${author}.01`,
  `${author}.00`,
  author,
  '.1',
  'a b.1',
  '',
])('%j is none', (id) => {
  expect(taken(id)).toEqual([false, false, false])
})
