import { messageView, type StoredMessage } from '../model/message.ts'
import type { Encoding } from '../model/payload.ts'

/** A message and the frames that carry it: made once per encoding and subscription name, sent as the same bytes to every subscriber. */
export interface Entry {
  readonly message: StoredMessage
  /** The `message` frame for a subscription of this name, as JSON in UTF-8. */
  frame(encoding: Encoding, subscription: string | undefined): Buffer
}

/** Names that an entry keeps frames for; clients of one application share a few, and others only cost a copy. */
const maxFramesPerEntry = 8

export function createEntry(message: StoredMessage, epoch: string): Entry {
  const messages = new Map<Encoding, string>()
  const frames = new Map<string, Buffer>()

  function json(encoding: Encoding): string {
    let text = messages.get(encoding)
    if (text === undefined) {
      text = JSON.stringify(messageView(message, epoch, encoding))
      messages.set(encoding, text)
    }
    return text
  }

  return {
    message,
    frame(encoding, subscription) {
      const key = subscription === undefined ? encoding : `${encoding} ${subscription}`
      let frame = frames.get(key)
      if (frame === undefined) {
        const name = subscription === undefined ? '' : `"subscription":${JSON.stringify(subscription)},`
        frame = Buffer.from(`{"type":"message",${name}"message":${json(encoding)}}`)
        if (frames.size < maxFramesPerEntry) frames.set(key, frame)
      }
      return frame
    },
  }
}
