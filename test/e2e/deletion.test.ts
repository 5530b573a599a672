import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { environment, gatewaysOnPostgres } from '../fixtures/gateways-on-postgres.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const { pair } = gatewaysOnPostgres()
const deleteAt = async (url: string, id: string) => (await fetch(`${url}/v1/messages/${id}`, { method: 'DELETE' })).status

test('a message that was deleted stays deleted after a crash', async () => {
  const settings = quietEnvironment(join(await temporaryDirectory(), 'data'))
  const first = await gatewayForTest(settings)
  const rest = createRest(first.url)
  const [kept, gone] = [await rest.publish('orders', 'kept'), await rest.publish('orders', 'gone')]
  expect(await deleteAt(first.url, gone.id)).toBe(204)
  await first.end('SIGKILL')
  const second = createRest((await gatewayForTest(settings)).url)
  expect(await second.get('/v1/messages?after=earliest')).toMatchObject({
    items: [{ id: kept.id }],
    gaps: [{ topic: 'orders', to: gone.cursor, reason: 'deleted' }],
  })
  expect(await second.get('/v1/topics/orders')).toMatchObject({ messages: 1, bytes: 4 })
})

describe.skipIf(!hasPostgres)('gateways of one database (needs PostgreSQL)', () => {
  test('delete for each other: neither history nor memory nor streams have the message, also after a crash', async () => {
    const { url, one, other } = await pair()
    const [here, there] = [createRest(one.url), createRest(other.url)]
    await using follower = await openStream(other.url, { query: '?topic=orders' })
    await follower.expect('caught-up')
    const sent = [await here.publish('orders', 'one'), await there.publish('orders', 'two'), await here.publish('orders', 'three')]
    await follower.until(() => follower.messages.length === 3)
    const gone = sent[1]
    // Ten at once: one deletes it, the others find nothing.
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => deleteAt([one, other][index % 2]?.url ?? '', gone?.id ?? '')),
    )
    expect(answers.toSorted()).toEqual([204, ...Array.from({ length: 9 }, () => 404)])
    const gap = { type: 'gap', topic: 'orders', from: sent[0]?.cursor, to: gone?.cursor, reason: 'deleted' }
    // The memory of the gateway that did not delete it has it until it is told, shortly after.
    for (const gateway of [one, other]) {
      await expect
        .poll(async () => {
          await using stream = await openStream(gateway.url, { query: `?topic=orders&after=${sent[0]?.cursor}` })
          await stream.expect('caught-up')
          return [stream.messages.map(({ id }) => id), stream.frames.find(({ type }) => type === 'gap')]
        })
        .toEqual([[sent[2]?.id], gap])
    }
    await Promise.all([one, other].map((gateway) => gateway.end('SIGKILL')))
    const again = createRest((await gatewayForTest(await environment(url))).url)
    expect(await again.get('/v1/messages?after=earliest')).toMatchObject({ items: [{ id: sent[0]?.id }, { id: sent[2]?.id }] })
    expect(await again.get('/v1/topics/orders')).toMatchObject({ messages: 2, bytes: 'onethree'.length })
  })
})
