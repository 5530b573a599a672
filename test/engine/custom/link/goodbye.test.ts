import { encode } from 'cborg'
import { expect, test } from 'vitest'
import { decodeGoodbye } from '../../../../src/engine/custom/link/goodbye.ts'
import { ProtocolViolation } from '../../../../src/engine/custom/wire/frame-stream.ts'

test('a goodbye has this node wait ten minutes at most, however long the peer says', () => {
  const waitOf = (retryAfterMs: number) => decodeGoodbye(encode({ reason: 'full', retryAfterMs })).retryAfterMs
  expect([waitOf(30_000), waitOf(600_001), waitOf(Number.MAX_SAFE_INTEGER)]).toEqual([30_000, 600_000, 600_000])
  for (const none of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => waitOf(none)).toThrow(ProtocolViolation)
})
