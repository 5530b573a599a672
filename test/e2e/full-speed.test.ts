import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const count = 20_000
const batch = 100
const connections = 16

test.each(['custom', 'libp2p'] as const)(
  'on the %s engine 20,000 messages that are acknowledged at full speed are received live',
  async (engine) => {
    const directory = await temporaryDirectory()
    // History would fetch what gossip has lost.
    const environment = (name: string) => ({ ...quietEnvironment(join(directory, name), engine), PEERGATE_HISTORY: 'false' })
    const b = await gatewayForTest(environment('b'))
    const a = await gatewayForTest({ ...environment('a'), PEERGATE_BOOTSTRAP: b.multiaddrs.join(',') })
    const subscriber = await openStream(b.url, { query: '?topic=orders' })
    onTestFinished(() => subscriber[Symbol.asyncDispose]())
    await subscriber.expect('caught-up')
    const rest = createRest(a.url)
    await rest.call('PUT', '/v1/topics/orders')
    await expect.poll(async () => (await rest.get('/v1/topics/orders')).subscribers).toBe(1)

    let next = 0
    const publish = async () => {
      for (let first = next; first < count; first = next) {
        next += batch
        const messages = Array.from({ length: batch }, (_, index) => ({ topic: 'orders', data: `${first + index} ${'x'.repeat(250)}` }))
        expect((await rest.call('POST', '/v1/messages', { messages })).status).toBe(201)
      }
    }
    await Promise.all(Array.from({ length: connections }, publish))

    await subscriber.until(() => subscriber.messages.length >= count)
    const numbers = subscriber.messages.map(({ data }) => Number(String(data).split(' ')[0]))
    expect(numbers.toSorted((one, other) => one - other)).toEqual(Array.from({ length: count }, (_, index) => index))
  },
  120_000,
)
