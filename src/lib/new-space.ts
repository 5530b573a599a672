import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's new space at its first size, so that what a start builds, which nearly all stays, moves on to the old space.
 * V8 would let it grow to 32 MiB for a start, and gives that back only after a full collection, which an idle gateway
 * never needs. A start takes no more of the processor's time for it.
 */
export function keepNewSpaceSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** Lets the new space grow with the load, as V8 does by default. */
export function letNewSpaceGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2')
}
