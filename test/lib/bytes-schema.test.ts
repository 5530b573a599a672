import { expect, test } from 'vitest'
import { bytes } from '../../src/lib/bytes-schema.ts'

test('takes byte strings within the bounds, and nothing that only looks like bytes', () => {
  const ofTwoOrThree = bytes({ min: 2, max: 3 })
  const lengths = [1, 2, 3, 4].filter((length) => ofTwoOrThree.safeParse(new Uint8Array(length)).success)
  expect(lengths).toEqual([2, 3])
  expect(bytes().safeParse(Buffer.alloc(0)).success).toBe(true)
  for (const other of ['ab', [1, 2], { length: 2 }, new Uint16Array(2), new ArrayBuffer(2), null, undefined]) {
    expect(ofTwoOrThree.safeParse(other).success).toBe(false)
  }
})
