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
  /** Ids of one acknowledgement: as many as a gateway takes. */
  maxAckIds: 1_000,
  /** Milliseconds for which a worker of a consumer waits for its next message before it asks again: below the longest wait of a gateway. */
  pullWaitMs: 20_000,
  /** Milliseconds after which a worker of a consumer gives up a call without an answer, and asks again; a pull may take `pullWaitMs` more. */
  workAnswerMs: 10_000,
  /** Milliseconds after which a worker of a consumer reads the settings of the consumer again: they can change while it works. */
  workSettingsMs: 60_000,
  /** Milliseconds between two looks of `top`. */
  topEveryMs: 1_000,
  /** Milliseconds after which `top` says that a gateway does not answer. */
  topAnswerMs: 5_000,
} as const
