/** A peer sent more unproductive frames than any honest peer does. */
export class FrameFlood extends Error {
  override readonly name = 'FrameFlood'
}
