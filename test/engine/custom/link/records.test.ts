import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeRecords } from '../../../../src/engine/custom/link/records.ts'
import { createFrameReader, frameHead } from '../../../../src/engine/custom/wire/frame-stream.ts'
import { unbounded } from '../../../fixtures/raw-peer.ts'

const maxPlaintextBytes = 65_519
const type = 7

/** A frame of so many bytes beside its head, in two parts. */
function frameOf(length: number, fill = 'x'): Uint8Array[] {
  const body = Buffer.alloc(length, fill)
  return [frameHead(length + 1, type), body.subarray(0, 10), body.subarray(10)]
}

/** Copies of the records: their memory is used again. */
function recordsOf(frames: Uint8Array[][]): Buffer[] {
  const records: Buffer[] = []
  writeRecords(frames, (plaintext) => records.push(Buffer.from(plaintext)))
  return records
}

test('a frame that fits into a record is not divided, and a longer one fills whole records', () => {
  const lengths = (frames: number[]) => recordsOf(frames.map((length) => frameOf(length))).map((record) => record.length)
  const head = 5
  expect(lengths([])).toEqual([])
  expect(lengths([1, 2, 3])).toEqual([3 * head + 6])
  expect(lengths([16_384, 16_384, 16_384, 16_384])).toEqual([3 * (head + 16_384), head + 16_384])
  expect(lengths([maxPlaintextBytes - head, 1])).toEqual([maxPlaintextBytes, head + 1])
  expect(lengths([1, maxPlaintextBytes - head])).toEqual([head + 1, maxPlaintextBytes])
  expect(lengths([10, 100_000, 10])).toEqual([maxPlaintextBytes, 10 + 100_000 + 10 + 3 * head - maxPlaintextBytes])
})

test('the other end reads the frames that were written, whatever their sizes', () => {
  const size = fc.oneof(fc.nat(400), fc.integer({ min: maxPlaintextBytes - 10, max: maxPlaintextBytes + 10 }), fc.nat(200_000))
  fc.assert(
    fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
      const reader = createFrameReader(unbounded(1_048_576))
      const records = recordsOf(sizes.map((length, index) => frameOf(length, String.fromCharCode(97 + index))))
      expect(records.every(({ length }) => length > 0 && length <= maxPlaintextBytes)).toBe(true)
      const frames = records.flatMap((record) => reader.take(record))
      expect(frames.map((frame) => [frame[0], frame.length - 1, frame[1]])).toEqual(
        sizes.map((length, index) => [type, length, length === 0 ? undefined : 97 + index]),
      )
    }),
    { numRuns: 50 },
  )
})
