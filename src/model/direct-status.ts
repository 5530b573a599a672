/** What became of an envelope. */
export const directStatus = {
  /** It is in the recipient's log, now or since before. */
  kept: 0,
  /** The recipient takes nothing from this author. */
  refused: 1,
  tooLarge: 2,
  /** Not now: the recipient has too much to do, or the author has sent much. */
  later: 3,
  /** It is no direct message to this peer, or its signature is wrong. */
  invalid: 4,
} as const
