/** Answer of a recipient to an envelope. */
export const directStatus = {
  /** The message is in the recipient's log, now or from before. */
  kept: 0,
  /** The recipient accepts no messages from this author. */
  refused: 1,
  tooLarge: 2,
  /** Retry later: the recipient is busy, or the author exceeded its rate. */
  later: 3,
  /** Not a direct message to this peer, or a wrong signature. */
  invalid: 4,
} as const
