/** The limits of the command, with their units and reasons. */
export const commandLimits = {
  /** Messages of one request of `publish --lines`: as many as a gateway takes by default (`maxPublishMessages`). */
  maxBatchMessages: 500,
  /** Characters of data of one request, or one line: it stays below `maxBodyBytes`. */
  maxBatchCharacters: 256 * 1024,
  /** Items of one page of a list or of the history: as many as a gateway gives by default (`maxReadMessages`). */
  pageItems: 500,
  /** Milliseconds for which a call is repeated that found the gateway busy or not there: a restart takes less. */
  patienceMs: 30_000,
  /** The same for each page of a list, which a person waits for. */
  listPatienceMs: 10_000,
} as const
