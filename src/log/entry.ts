import { stringifyJson } from '../lib/json-text.ts'
import { messageView, type StoredMessage } from '../model/message.ts'
import type { Encoding } from '../model/payload.ts'

/**
 * A message and the frames that carry it. Encode once: each frame is built once per key, and every subscriber is sent
 * the same bytes.
 */
export interface Entry {
  readonly message: StoredMessage
  readonly epoch: string
  /** The message as JSON, as clients see it. */
  json(encoding: Encoding): string
  /** The frame for this key. The key must cover everything that distinguishes the frame from others. */
  frame(key: string, make: () => Buffer): Buffer
}

/**
 * Maximum number of frames cached per entry. The clients of one application share a few; more keys only cost a copy.
 */
const maxFramesPerEntry = 8

export function createEntry(message: StoredMessage, epoch: string): Entry {
  const messages = new Map<Encoding, string>()
  const frames = new Map<string, Buffer>()
  return {
    message,
    epoch,
    json(encoding) {
      let text = messages.get(encoding)
      if (text === undefined) {
        text = stringifyJson(messageView(message, epoch, encoding))
        messages.set(encoding, text)
      }
      return text
    },
    frame(key, make) {
      let frame = frames.get(key)
      if (frame === undefined) {
        frame = make()
        if (frames.size < maxFramesPerEntry) frames.set(key, frame)
      }
      return frame
    },
  }
}
