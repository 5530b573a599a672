import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { FrameFlood } from '../../frame-flood.ts'

export interface FrameRate {
  /** Units a second. */
  perSecond: number
  /** Units at once. */
  burst: number
  /** Bytes that count as one unit. */
  bytesPerUnit: number
}

/** What a link's frames that ask for nothing may cost, by their number and bytes. Such frames cost work, and nothing else bounds them. */
export interface FrameBudget {
  /**
   * Pays for a frame of so many units, and for its bytes.
   * @throws FrameFlood when there is not that much left; whoever counts cuts the link then
   */
  spend(units: number, bytes: number): void
  /** Gives back so many units, up to the burst: the node itself did what honest peers answer by such frames. */
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
