import { expect, test } from 'vitest'
import { batchOrder } from '../../src/log/batch-order.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { firstDrawn, messageId, sequenceBytes } from '../../src/model/signed-message.ts'
import { directTopic } from '../../src/model/topic.ts'

function messageOf(from: string, number: bigint, topic = 'orders'): NewMessage {
  const sequence = sequenceBytes(number)
  return { from, sequence, topic, id: messageId(from, sequence), data: Buffer.alloc(1), signature: Buffer.alloc(64), receivedAt: 0 }
}

test('messages of others are put in the order of their numbers, in the places that their author has in the batch', () => {
  const batch = [messageOf('a', 3n), messageOf('b', 1n), messageOf('a', 1n), messageOf('b', 2n), messageOf('a', 2n), messageOf('a', 1n)]
  const { messages, asTheyCame } = batchOrder(batch, 'own')
  expect(messages.map(({ id }) => id)).toEqual(['a.1', 'b.1', 'a.1', 'b.2', 'a.2', 'a.3'])
  // Of two copies the first one counts.
  expect(messages[0]).toBe(batch[2])
  expect(asTheyCame(messages)).toEqual(batch)
})

test('own messages, direct ones and drawn numbers stay in their places', () => {
  const direct = (number: bigint) => messageOf('a', number, directTopic)
  const drawn = (number: bigint) => messageOf('a', firstDrawn + number)
  const batch = [messageOf('own', 2n), messageOf('own', 1n), direct(2n), direct(1n), drawn(2n), drawn(1n)]
  expect(batchOrder(batch, 'own').messages).toEqual(batch)
})
