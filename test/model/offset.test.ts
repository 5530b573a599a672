import fc from 'fast-check'
import { expect, test } from 'vitest'
import { collapsingCursor } from '../../src/model/collapsing-cursor.ts'
import { formatCursor } from '../../src/model/cursor.ts'
import { cursorOfOffset, formatOffset, offsetPattern } from '../../src/model/offset.ts'

const number = fc.integer({ min: 0, max: 10 ** 15 - 1 })

test('an offset names the position of its cursor, and sorts as it does', () => {
  fc.assert(
    fc.property(number, number, fc.integer({ min: 0, max: 3 }), (seq, other, pruneCount) => {
      const offset = formatOffset({ epoch: 'k3v9q2', seq, pruneCount })
      expect(offset).toMatch(offsetPattern)
      expect(cursorOfOffset(offset)).toBe(formatCursor('k3v9q2', seq, pruneCount))
      expect(offset < formatOffset({ epoch: 'k3v9q2', seq: other, pruneCount })).toBe(seq < other)
    }),
  )
})

test.each(['', '0', 'k3v9q2.1041', 'k3v9q2_1041', 'k3v9q2_000000000001041_', '-1 ', 'now\n', '-2'])('%j is no offset', (text) => {
  expect(text).not.toMatch(offsetPattern)
})

test('the cursor of a live request is the number of its interval, and greater than the one that the client has', () => {
  const now = Date.parse('2024-10-09T01:00:00Z')
  for (const echoed of [undefined, 'x', '-5', '179', '1e3']) expect(collapsingCursor(now, echoed)).toBe(180)
  for (const echoed of [180, 181, 99_999]) {
    const cursor = collapsingCursor(now, String(echoed))
    expect(cursor).toBeGreaterThan(echoed)
    expect(cursor).toBeLessThanOrEqual(echoed + 180)
  }
})
