import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { NewMessage } from '../src/model/message.ts'
import { messageId, sequenceBytes } from '../src/model/signed-message.ts'
import { createStore } from '../src/store/create-store.ts'

/** Messages of a peer as the store receives them, with random bytes as signatures. */

const author = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const batch = 500

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

/** Appends a multiple of 500 messages to a database, which it makes ready when it is empty. */
export async function fillStore(
  init: { url: string; servedMarkFile: string },
  { topic, data, count }: { topic: string; data: Uint8Array; count: number },
): Promise<void> {
  await using store = await createStore({ ...init, migrate: true }, { logger: pino({ level: 'silent' }) })
  await store.start()
  for (let stored = 0; stored < count; stored += batch) {
    await store.log.append(Array.from({ length: batch }, () => newMessage(topic, data)))
  }
}
