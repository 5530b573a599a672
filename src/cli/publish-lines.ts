import { randomUUID } from 'node:crypto'
import type { components } from '../../clients/typescript/src/openapi.ts'
import type { Payload } from './input.ts'
import { commandLimits } from './limits.ts'
import type { Remote } from './remote.ts'

type Message = components['schemas']['AddressedPayload']
export type Published = components['schemas']['Published']

/** Publishes messages in their order, each once: those that came while a request was on its way go together with the next one. */
export async function* publishAll(
  init: { topic: string; publish: (messages: Message[]) => Promise<Published[]> },
  payloads: AsyncGenerator<Payload>,
): AsyncGenerator<Published[]> {
  const { topic, publish } = init
  const { maxBatchMessages, maxBatchCharacters } = commandLimits
  let next = payloads.next()
  for (let result = await next; result.done !== true; ) {
    const batch = [{ topic, ...result.value }]
    let characters = sizeOf(result.value)
    next = payloads.next()
    let ready = await now(next)
    while (ready !== undefined && ready.done !== true && batch.length < maxBatchMessages) {
      characters += sizeOf(ready.value)
      if (characters > maxBatchCharacters) break
      batch.push({ topic, ...ready.value })
      next = payloads.next()
      ready = await now(next)
    }
    // A line that cannot be read ends the command after what came before it.
    next.catch(() => undefined)
    yield await publish(batch)
    result = await next
  }
}

/** Publishes messages together. */
export async function publish(remote: Remote, messages: Message[], patienceMs: number): Promise<Published[]> {
  const input = { body: { messages }, headers: { 'idempotency-key': randomUUID() } }
  return (await remote.patiently(patienceMs, () => remote.call('post', '/v1/messages', input))).items
}

const sizeOf = ({ data }: Payload) => (typeof data === 'string' ? data.length : JSON.stringify(data).length)

/** What a promise has come to, if it has. */
async function now<T>(promise: Promise<T>): Promise<T | undefined> {
  return await Promise.race([promise, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]).catch(() => undefined)
}
