import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFrameReader, frameHead, ProtocolViolation } from '../../../../src/engine/custom/wire/frame-stream.ts'

const maxFrameBytes = 1_000

/** Cuts bytes at these places, in whatever order they are given. */
function cut(bytes: Buffer, places: number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

test('puts frames together wherever the stream was cut', () => {
  const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: maxFrameBytes }), { maxLength: 20 })
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 30 }), (sent, places) => {
      const reader = createFrameReader({ maxFrameBytes, maxBytesOf: () => maxFrameBytes })
      const stream = Buffer.concat(sent.flatMap((frame) => [frameHead(frame.length), frame]))
      const received = cut(stream, places).flatMap((piece) => reader.take(piece))
      expect(received.map((frame) => frame.toString('hex'))).toEqual(sent.map((frame) => Buffer.from(frame).toString('hex')))
    }),
  )
})

test.each([0, maxFrameBytes + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])('refuses a length of %i before its bytes have come', (length) => {
  for (const pieces of [[frameHead(length)], Array.from(frameHead(length), (byte) => Buffer.of(byte))]) {
    const reader = createFrameReader({ maxFrameBytes, maxBytesOf: () => maxFrameBytes })
    expect(() => pieces.flatMap((piece) => reader.take(piece))).toThrow(ProtocolViolation)
  }
})

test('refuses a frame that is longer than those of its type when the type is there', () => {
  const maxBytesOf = (type: number) => (type === 7 ? 10 : maxFrameBytes)
  const start = Buffer.concat([frameHead(11), Buffer.of(7)])
  for (const pieces of [[start], Array.from(start, (byte) => Buffer.of(byte))]) {
    const reader = createFrameReader({ maxFrameBytes, maxBytesOf })
    expect(() => pieces.flatMap((piece) => reader.take(piece))).toThrow(/type 7/)
  }
  const reader = createFrameReader({ maxFrameBytes, maxBytesOf })
  expect(reader.take(Buffer.concat([frameHead(10), Buffer.of(7), Buffer.alloc(9)]))).toHaveLength(1)
})

test('takes the largest frame', () => {
  const reader = createFrameReader({ maxFrameBytes, maxBytesOf: () => maxFrameBytes })
  expect(reader.take(Buffer.concat([frameHead(maxFrameBytes), Buffer.alloc(maxFrameBytes)]))).toHaveLength(1)
})

test('answers whatever comes with frames within the limit, or refuses it', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
      const reader = createFrameReader({ maxFrameBytes: 20, maxBytesOf: () => 20 })
      try {
        for (const piece of pieces) for (const frame of reader.take(Buffer.from(piece))) expect(frame.length).toBeLessThanOrEqual(20)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
    }),
  )
})
