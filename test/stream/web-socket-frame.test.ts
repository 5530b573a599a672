import { expect, test } from 'vitest'
import { opcodes, plainFrame, plainTextFrame } from '../../src/stream/web-socket-frame.ts'

test('a frame of a text has the bytes of the text behind a header of the shortest form', () => {
  const texts = [
    '',
    'a',
    'x'.repeat(125),
    'x'.repeat(126),
    'é'.repeat(63),
    'x'.repeat(65_535),
    'x'.repeat(65_536),
    '€'.repeat(40_000),
    '\ud83d\ude00',
  ]
  const heads = texts.map((text) => {
    const payload = Buffer.from(text)
    const frame = plainTextFrame(text)
    expect(frame.equals(plainFrame(opcodes.text, payload))).toBe(true)
    expect(frame.subarray(frame.length - payload.length).equals(payload)).toBe(true)
    return frame.subarray(0, frame.length - payload.length).toString('hex')
  })
  expect(heads).toEqual([
    ...['8100', '8101', '817d', '817e007e', '817e007e', '817effff', '817f0000000000010000', '817f000000000001d4c0', '8104'],
  ])
})
