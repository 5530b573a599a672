import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const kills = 10

/** A receiver that fails half of the time: by a status, by hanging up, or after it has accepted. */
async function unreliableReceiver(random: ReturnType<typeof createRandom>) {
  const accepted: string[] = []
  /** The messages of each `webhook-id`. */
  const batches = new Map<string, Set<string>>()
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const id = String(request.headers['webhook-id'])
    const items: Array<{ id: string }> = JSON.parse(text).items
    const ids = items.map((item) => item.id)
    batches.set(id, (batches.get(id) ?? new Set()).add(ids.join()))
    const fate = random.below(6)
    if (fate === 0) return void response.writeHead(500).end()
    if (fate === 1) return void request.socket.destroy()
    accepted.push(...ids)
    if (fate === 2) return void request.socket.destroy()
    response.writeHead(200).end()
  })
  return { url: await urlOf(server), accepted, batches }
}

/** A receiver that accepts everything. */
async function receiver() {
  const accepted: string[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const { items }: { items: Array<{ id: string }> } = JSON.parse(text)
    accepted.push(...items.map(({ id }) => id))
    response.writeHead(200).end()
  })
  return { url: await urlOf(server), accepted }
}

/** Listens until the end of the test. */
async function urlOf(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

test(`a receiver that fails half of the time accepts the log, in order, through ${kills} kills of the gateway`, async () => {
  const random = createRandom(20_261_129)
  const { url, accepted, batches } = await unreliableReceiver(random)
  const environment = {
    ...quietEnvironment(join(await temporaryDirectory(), 'data')),
    PEERGATE_WEBHOOK_ALLOW: '127.0.0.1',
    PEERGATE_LAST_WEBHOOK_RETRY_MS: '5',
  }
  let number = 0
  for (let round = 0; round <= kills; round++) {
    const gateway = await startGateway(environment)
    onTestFinished(async () => {
      await gateway.end('SIGKILL')
    })
    const rest = createRest(gateway.url)
    if (round === 0)
      expect(await rest.call('POST', '/v1/webhooks', { url, topics: ['orders'], batchSize: 3 })).toMatchObject({ status: 201 })
    const before = accepted.length
    for (let count = 0; count < 12; count++) await rest.publish('orders', String(number++))
    if (round === kills) {
      const log = (await rest.history('topic=orders')).map(({ id }) => id)
      expect(log).toHaveLength(number)
      await expect.poll(() => new Set(accepted).size, { timeout: 60_000 }).toBe(number)
      expect([...new Set(accepted)]).toEqual(log)
    } else {
      await expect.poll(() => accepted.length, { timeout: 60_000, interval: 1 }).toBeGreaterThan(before + random.below(6))
      await gateway.end('SIGKILL')
    }
  }
  // What was sent again under the same id was the same.
  expect([...batches.values()].filter((contents) => contents.size > 1)).toEqual([])
  expect(accepted.length).toBeGreaterThan(number)
}, 300_000)

test('a webhook of the operator’s token goes on when that token is changed, and when it is removed', async () => {
  const { url, accepted } = await receiver()
  const environment = { ...quietEnvironment(join(await temporaryDirectory(), 'data')), PEERGATE_WEBHOOK_ALLOW: '127.0.0.1' }
  const tokens = ['first-operator-token', 'second-operator-token', undefined]
  let webhook = ''
  for (const [round, token] of tokens.entries()) {
    const gateway = await startGateway({ ...environment, ...(token === undefined ? {} : { PEERGATE_ADMIN_TOKEN: token }) })
    onTestFinished(async () => void (await gateway.end('SIGKILL')))
    const rest = createRest(gateway.url, token)
    if (round === 0) webhook = (await rest.call<{ id: string }>('POST', '/v1/webhooks', { url, topics: ['orders'] })).body.id
    if (round === 1) expect(await createRest(gateway.url, tokens[0]).call('GET', '/v1/webhooks')).toMatchObject({ status: 401 })
    const { id } = await rest.publish('orders', String(round))
    await expect.poll(() => accepted.at(-1), { timeout: 60_000 }).toBe(id)
    // An end before the gateway has noted that would have it send again.
    const noted = async () => (await rest.get<{ items: unknown[] }>(`/v1/webhooks/${webhook}/attempts`)).items
    await expect.poll(noted).toHaveLength(round + 1)
    expect((await rest.call('GET', '/v1/webhooks')).body).toMatchObject({ items: [{ state: 'active' }] })
    // An operator ends it at any time, whichever token made it.
    if (round === tokens.length - 1) expect(await rest.call('DELETE', `/v1/webhooks/${webhook}`)).toMatchObject({ status: 204 })
    await gateway.end('SIGTERM')
  }
  expect(accepted).toHaveLength(tokens.length)
})
