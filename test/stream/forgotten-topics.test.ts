import { describe, expect, onTestFinished, test } from 'vitest'
import { topicFilter } from '../../src/model/topic.ts'
import { openEvents } from '../fixtures/event-client.ts'
import { isMissing, storeKinds, storesForTests } from '../fixtures/every-store.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'

const storeOf = storesForTests()
const limits = { maxRingMessages: 1, retentionSweepMs: 10, topicKeptMs: 1 }

describe.each(storeKinds)('on the %s store, of a topic that was forgotten', (kind) => {
  test.skipIf(isMissing(kind))('an old cursor hears of a gap by every way of reading, and others go on', async () => {
    const store = await storeOf(kind)
    const { url, stop } = await memoryGateway(createMemoryNetwork(), limits, store)
    onTestFinished(stop)
    const rest = createRest(url)
    const { cursor: before } = await rest.publish('kept', 'first')
    const { cursor } = await rest.publish('gone', 'read')
    const last = await rest.publish('gone', 'lost')
    await rest.publish('kept', 'second')
    expect((await rest.call('DELETE', '/v1/topics/gone?purge=true')).status).toBeLessThan(300)
    const everything = { after: 0, order: 'asc', limit: 1, topics: topicFilter(['>']), prunedSince: 0 } as const
    const forgotten = async () => (await store.log.read(everything)).prunes?.topics
    await expect.poll(forgotten).toEqual([expect.objectContaining({ topic: undefined })])

    async function events(topic: string, after: string) {
      const client = await openEvents(`${url}/v1/events?topic=${topic}`, { 'last-event-id': after })
      await client.until(() => client.events.some(({ event }) => event === 'caught-up'))
      return client.events.map(({ data }): { type: string } => JSON.parse(data))
    }
    async function answers(topic: string, after: string): Promise<[status: number, frame: string]> {
      const { status } = await rest.call('GET', `/v1/messages?topic=${topic}&after=${after}`)
      await using client = await openStream(url)
      client.send({ type: 'subscribe', topics: [topic], after })
      await client.until(() => client.frames.some(({ type }) => ['caught-up', 'error'].includes(type)))
      const [frame] = client.frames.flatMap((each) => (each.type === 'error' ? each.code : each.type === 'gap' ? 'gap' : []))
      return [status, frame ?? 'nothing']
    }

    for (const topic of ['gone', 'g.>', '*', '>', 'never']) {
      expect(await answers(topic, cursor)).toEqual([410, 'cursor_expired'])
      const gap = { type: 'gap', from: cursor, to: last.cursor, reason: 'pruned' }
      expect((await events(topic, cursor)).filter(({ type }) => type === 'gap')).toEqual([gap])
      expect(await answers(topic, last.cursor)).toEqual([200, 'nothing'])
    }
    expect(await answers('kept', before)).toEqual([200, 'nothing'])
    // It is told of by its name once it has messages again.
    await rest.publish('gone', 'again')
    expect(await events('gone', cursor)).toMatchObject([
      { type: 'gap', topic: 'gone', from: cursor, to: last.cursor, reason: 'pruned' },
      { type: 'message', message: { data: 'again' } },
      { type: 'caught-up' },
    ])
    expect(await answers('gone', cursor)).toEqual([410, 'cursor_expired'])
    expect(await answers('gone', 'earliest')).toEqual([200, 'nothing'])
  })
})
