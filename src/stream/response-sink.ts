import type { ServerResponse } from 'node:http'
import type { Sink } from './outlet.ts'

/** Keeps a connection alive. Ends with one line break: some clients take every blank line for the end of an event. */
export const comment = ':\n'

/** The body of a response of server-sent events, as the target of an outlet. */
export function createResponseSink(response: ServerResponse): Sink {
  return {
    get isOpen() {
      return !response.destroyed && !response.writableEnded
    },
    get bufferedBytes() {
      return response.writableLength
    },
    write: (frame, written) => response.write(frame, () => written?.()),
    whenWritten: (written) => response.write(comment, () => written()),
    cork: () => response.cork(),
    uncork: () => response.uncork(),
  }
}
