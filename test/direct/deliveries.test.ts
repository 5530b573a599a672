import { expect, test } from 'vitest'
import { createDeliveries } from '../../src/direct/deliveries.ts'
import { IdempotencyKeyReused, MessageTooLarge } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { sealDirect } from '../../src/model/direct-message.ts'
import { sequenceBytes } from '../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

const { seed } = await createMemoryIdentity()
const { peerId: to } = await createMemoryIdentity()

/** Deliveries of a gateway that carries none of them. */
function parts() {
  const { deliveries: store } = createMemoryStore()
  let sequence = 0n
  const deliveries = createDeliveries(
    { limits: { ...defaultLimits, maxMessageBytes: 10 } },
    {
      engine: { signDirect: (message) => sealDirect({ ...message, sequence: sequenceBytes(++sequence) }, seed) },
      store,
      carrier: { queued: () => undefined, watch: () => () => undefined },
    },
  )
  const send = async (client: string, data: string, key?: string) =>
    await deliveries.send({ client, to, data: Buffer.from(data), idempotency: key === undefined ? undefined : { scope: client, key } })
  const count = async () => (await deliveries.list({ limit: 100 })).items.length
  return { send, count }
}

test('maxMessageBytes: a message with more is refused, and nothing is queued', async () => {
  const { send, count } = parts()
  await expect(send('tok_1', '0123456789a')).rejects.toThrow(MessageTooLarge)
  expect(await count()).toBe(0)
  await send('tok_1', '0123456789')
  expect(await count()).toBe(1)
})

test('an idempotency key is its client’s: the same one of another client is another, whatever it sends', async () => {
  const { send, count } = parts()
  const first = await send('tok_1', 'x', 'key')
  expect(await send('tok_1', 'x', 'key')).toEqual({ ...first, replayed: true })
  await expect(send('tok_1', 'y', 'key')).rejects.toThrow(IdempotencyKeyReused)
  for (const [client, data] of [
    ['tok_2', 'x'],
    ['tok_3', 'y'],
  ] as const) {
    const { delivery, replayed } = await send(client, data, 'key')
    expect([replayed, delivery.id === first.delivery.id]).toEqual([false, false])
  }
  expect(await count()).toBe(3)
})
