import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'

const linesType = 'application/x-ndjson'

/** Whether the client asks for newline-delimited JSON. */
export function acceptsLines({ accept = '' }: FastifyRequest['headers']): boolean {
  return accept.includes(linesType)
}

/** Waits for the first item, so that a failure before it can still be returned as an error. */
export async function withFirst<Item>(items: AsyncIterable<Item>): Promise<{ isEmpty: boolean; items: AsyncGenerator<Item> }> {
  const iterator = items[Symbol.asyncIterator]()
  const first = await iterator.next()
  async function* all(): AsyncGenerator<Item> {
    if (first.done === true) return
    yield first.value
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
  return { isEmpty: first.done === true, items: all() }
}

/** Sends one line of JSON per item, as it comes. */
export function sendLines(reply: FastifyReply, items: AsyncIterable<unknown>): FastifyReply {
  return reply.type(linesType).send(Readable.from(lines(items)))
}

async function* lines(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const item of items) yield `${JSON.stringify(item)}\n`
}
