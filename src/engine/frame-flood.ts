/** A peer sent more frames that ask for nothing than any honest one. */
export class FrameFlood extends Error {
  override readonly name = 'FrameFlood'
}
