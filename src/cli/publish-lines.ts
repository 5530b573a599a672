import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Payload } from './input.ts'
import { commandLimits } from './limits.ts'
import type { Remote } from './remote.ts'

const publishedSchema = z.object({ id: z.string(), cursor: z.string(), topic: z.string(), recipients: z.number() })
export type Published = z.infer<typeof publishedSchema>

const listSchema = z.object({ items: z.array(publishedSchema) })

/** Publishes messages in their order, each once: those that came while a request was on its way go together with the next one. */
export async function* publishAll(
  init: { remote: Pick<Remote, 'call'>; topic: string; patienceMs: number },
  payloads: AsyncGenerator<Payload>,
): AsyncGenerator<Published[]> {
  const { remote, topic, patienceMs } = init
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
    yield await publish(remote, batch, patienceMs)
    result = await next
  }
}

/** Publishes messages together. */
export async function publish(remote: Pick<Remote, 'call'>, messages: object[], patienceMs: number): Promise<Published[]> {
  const call = { body: { messages }, idempotencyKey: randomUUID(), patienceMs }
  return (await remote.call('POST', '/v1/messages', listSchema, call)).items
}

const sizeOf = ({ data }: Payload) => (typeof data === 'string' ? data.length : JSON.stringify(data).length)

/** What a promise has come to, if it has. */
async function now<T>(promise: Promise<T>): Promise<T | undefined> {
  return await Promise.race([promise, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]).catch(() => undefined)
}
