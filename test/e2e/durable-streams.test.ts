import { stream } from '@durable-streams/client'
import { expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../clients/typescript/src/index.ts'
import { clientScenario, type Player, type Seen, scenario } from '../fixtures/client-scenario.ts'

const { play } = clientScenario()

test(`clients of the Durable Streams protocol, by events and by long polls: ${scenario}`, async () => {
  const seen: Record<'events' | 'polls', Seen[]> = { events: [], polls: [] }
  await play((urls): Player => {
    const publisher = createClient({ url: urls, backOff: { firstMs: 20, lastMs: 200 } })
    onTestFinished(() => publisher.close())
    const failed = Promise.race([follow(urls, 'sse', seen.events), follow(urls, 'long-poll', seen.polls)])
    failed.catch(() => {})
    return { seen: seen.events, failed, publish: (text) => publisher.publish('orders', text) }
  })
  await expect.poll(() => seen.polls).toEqual(seen.events)
})

/** Follows a topic as a program does that keeps its offset: where the client gives up, it is opened again from there. */
async function follow(urls: string[], live: 'sse' | 'long-poll', seen: Seen[]): Promise<never> {
  const over = new AbortController()
  onTestFinished(() => over.abort())
  const backoffOptions = { initialDelay: 20, maxDelay: 200, multiplier: 2, maxRetries: 3 }
  let offset = '-1'
  for (let opened = 0; !over.signal.aborted; opened++) {
    try {
      const url = `${urls[opened % urls.length]}/v1/streams/orders`
      const opening = await stream<Seen>({ url, offset, live, signal: over.signal, backoffOptions })
      opening.subscribeJson((batch) => {
        // A message whose offset was cut off comes again.
        if (batch.offset === offset) return
        seen.push(...batch.items.map(({ cursor, data }) => ({ cursor, data })))
        offset = batch.offset
      })
      await opening.closed
    } catch (error) {
      if (!isLostConnection(error)) throw error
    }
  }
  throw new Error('the test is over')
}

function isLostConnection(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && 'status' in error && error.status === 503)
}
