import { randomBytes } from 'node:crypto'
import type { NewMessage } from '../src/model/message.ts'
import { messageId, sequenceBytes } from '../src/model/signed-message.ts'

/** Messages of a peer as the store receives them, with random bytes as signatures. */

const author = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'

let sequence = 0n

export function newMessage(topic: string, data: Uint8Array): NewMessage {
  const bytes = sequenceBytes(++sequence)
  return {
    id: messageId(author, bytes),
    from: author,
    sequence: bytes,
    topic,
    data,
    signature: randomBytes(64),
    receivedAt: Date.now(),
  }
}
