import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { FrameFlood } from '../../frame-flood.ts'

export interface FrameRate {
  /** Units per second. */
  perSecond: number
  /** Maximum units at once. */
  burst: number
  /** Bytes that count as one unit. */
  bytesPerUnit: number
}

/**
 * The budget of a link's unproductive frames, by number and bytes. Such frames cost work, and nothing else bounds them.
 */
export interface FrameBudget {
  /**
   * Charges a frame by its units and bytes.
   * @throws FrameFlood when the budget is exceeded; the caller then cuts the link
   */
  spend(units: number, bytes: number): void
  /** Credits units, up to the burst: this node did something that honest peers answer with such frames. */
  earn(units: number): void
}

export function createFrameBudget({ bytesPerUnit, ...rate }: FrameRate): FrameBudget {
  const bucket = createTokenBucket(rate)
  return {
    spend(units, bytes) {
      if (!bucket.take(performance.now(), units + bytes / bytesPerUnit)) throw new FrameFlood('too many unproductive frames')
    },
    earn: (units) => bucket.spend(performance.now(), -units),
  }
}
