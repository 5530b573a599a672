import { expect, test } from 'vitest'
import { createMarkScanner, marked } from '../../bench/marks.ts'

/** The numbers that a scanner finds in the bytes, handed over in pieces of a length. */
function scanned(bytes: Buffer, length: number): number[] {
  const numbers: number[] = []
  const scan = createMarkScanner((number) => numbers.push(number))
  const buffer = Buffer.alloc(length)
  for (let at = 0; at < bytes.length; at += length) {
    const piece = bytes.subarray(at, at + length)
    // As a socket does that reads into the same buffer again.
    piece.copy(buffer)
    scan(buffer.subarray(0, piece.length))
  }
  return numbers
}

test.each([1, 2, 3, 9, 10, 11, 64, 1_000])('finds each mark in pieces of %i bytes', (length) => {
  const texts = [marked(0, 256), '##', marked(7, 10), '#1234567x#', marked(99_999_999, 300), '#123']
  expect(scanned(Buffer.from(texts.join('')), length)).toEqual([0, 7, 99_999_999])
})

test('a mark begins data of the wanted length', () => {
  expect(marked(42, 256)).toMatch(/^#00000042#x+$/)
  expect(marked(42, 256)).toHaveLength(256)
})
