import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createHub, type Hub } from '../../src/log/hub.ts'
import { everything } from '../../src/model/topic.ts'
import { createDurableEvents } from '../../src/stream/durable-events.ts'
import { type EventClient, openEvents } from '../fixtures/event-client.ts'
import { silentLog } from '../fixtures/log.ts'
import { storedMessage } from '../fixtures/messages.ts'

async function follow(lastsMs: number, prune: boolean, append?: (hub: Hub) => void): Promise<EventClient> {
  const read = async () => ({ messages: [storedMessage(1), storedMessage(2)], scanned: 2 })
  const hub = createHub({ limits: defaultLimits }, { log: { position: async () => ({ epoch: 'e1', tip: 0 }), read } })
  await hub.start()
  if (append === undefined) hub.append(0, [storedMessage(1), storedMessage(2)])
  else append(hub)
  if (prune) hub.prune('orders', { through: 1, pruneCount: 1 })
  const server = createServer((_request, response) => {
    const grant = { id: 'tok_1', name: 'one', actions: new Set<never>(), topics: everything }
    createDurableEvents(
      {
        limits: defaultLimits,
        lastsMs,
        query: { topic: 'orders', start: { seq: 0, pruneCount: 0, cursor: 'e1.0' }, grant, address: '127.0.0.1' },
      },
      {
        hub,
        logger: silentLog,
        answerBytes: { take: () => ({ [Symbol.dispose]() {} }) },
        response: response.writeHead(200, { connection: 'close' }),
        onClose: () => undefined,
      },
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on TCP')
  return await openEvents(`http://127.0.0.1:${address.port}`)
}

test('a connection ends after its time, behind an event', async () => {
  const client = await follow(50, false)
  await client.ended
  expect(client.events.map(({ event }) => event)).toEqual(['data', 'control', 'data', 'control'])
  expect(client.emptyBlocks).toEqual([])
})

test('a connection ends before a message that follows pruned ones which were not sent', async () => {
  const client = await follow(100_000, true)
  await client.ended
  expect(client.events).toEqual([])
})

test('a topic that is quieter than the log ends where its last message was, and not where the client began', async () => {
  // The messages of the topic are read from the store, those of the other one are in memory.
  const client = await follow(100, false, (hub) => hub.append(2, [storedMessage(3, 'busy'), storedMessage(4, 'busy')]))
  await client.ended
  const controls = client.events.filter(({ event }) => event === 'control').map(({ data }) => JSON.parse(data))
  expect(controls.at(-1)).toMatchObject({ streamNextOffset: 'e1_000000000000002', upToDate: true })
})
