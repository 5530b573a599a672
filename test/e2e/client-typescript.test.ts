import { expect, onTestFinished, test } from 'vitest'
import { createClient, memoryCursors } from '../../clients/typescript/src/index.ts'
import { cuttingProxy } from '../fixtures/cutting-proxy.ts'
import { freePort } from '../fixtures/free-port.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { environment, gatewaysOnPostgres } from '../fixtures/gateways-on-postgres.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest } from '../fixtures/rest.ts'

/** The scenario of clients/scenario.md. */

const seed = Number(process.env['PEERGATE_TEST_SEED'] ?? 20_261_129)
const cuts = 50
/** After these numbers of cuts a gateway is restarted: one by a signal that lets it say goodbye, one without. */
const restarts = new Map<number, NodeJS.Signals>([
  [17, 'SIGTERM'],
  [34, 'SIGKILL'],
])
/** Publications between two cuts, at most: the moment of a cut is drawn in messages, not in time. */
const mostBetween = 12

const { server } = gatewaysOnPostgres()

test(`through ${cuts} cuts and restarts of two gateways of one database nothing is lost, twice or out of order (seed ${seed})`, async () => {
  const random = createRandom(seed)
  const database = await server().createDatabase()
  const environments = await Promise.all(
    [0, 1].map(async () => await environment(database, { PEERGATE_HTTP_PORT: String(await freePort()) })),
  )
  const gateways = await Promise.all(environments.map((of) => gatewayForTest(of)))
  const proxies = await Promise.all(gateways.map(({ url }) => cuttingProxy(url)))
  const urls = proxies.map(({ url }) => url)
  const open = () => {
    const client = createClient({ url: urls, backOff: { firstMs: 20, lastMs: 200 } })
    onTestFinished(() => client.close())
    return client
  }
  const [publisher, follower] = [open(), open()]
  await createRest(gateways[0]?.url ?? '').call('PUT', '/v1/topics/orders')

  const cursors = memoryCursors()
  const seen: Array<{ cursor: string; data: unknown }> = []
  const news: Array<() => void> = []
  const following = (async () => {
    // The loop is left now and then: the next one begins where the store says.
    for (let left = 0; ; left++) {
      const items = follower.subscribe('orders', { after: 'earliest', cursors, maxBufferedItems: 8 })
      let taken = 0
      for await (const item of items) {
        if (item.type === 'gap') throw new Error(`a gap: ${JSON.stringify(item)}`)
        // What the loop has when it is left does not count as handled.
        if (++taken > 100 && left < 3) break
        if (item.type === 'message') seen.push({ cursor: item.cursor, data: item.message.data })
        for (const tell of news.splice(0)) tell()
      }
      if (follower.state.type === 'closed') return
    }
  })()

  let number = 0
  const published: Array<Promise<unknown>> = []
  const publish = () => {
    const publication = publisher.publish('orders', `message ${number++}`)
    publication.catch(() => {})
    published.push(publication)
  }
  for (let cut = 1; cut <= cuts; cut++) {
    const between = 1 + random.below(mostBetween)
    for (let count = 0; count < between; count++) publish()
    // Some of the cuts come while nothing is answered, others after a part of it.
    await Promise.race([Promise.all(published.slice(0, published.length - random.below(between))), following])
    // A cut counts only if there is something to cut: both clients may be at the same gateway, or on their way back.
    const inUse = () => proxies.filter(({ open }) => open > 0)
    await expect.poll(inUse).not.toEqual([])
    random.pick(inUse()).cut()
    const signal = restarts.get(cut)
    if (signal === undefined) continue
    const index = random.below(gateways.length)
    await gateways[index]?.end(signal)
    for (let count = 0; count < between; count++) publish()
    gateways[index] = await gatewayForTest(environments[index] ?? {})
  }
  await Promise.all(published)
  await Promise.race([following, until(() => seen.length >= number, news)])
  follower.close()
  await following

  const log = await createRest(gateways[0]?.url ?? '').history('topic=orders')
  expect(log.map(({ data }) => data)).toHaveLength(number)
  expect(new Set(log.map(({ data }) => data)).size).toBe(number)
  expect(seen).toEqual(log.map(({ cursor, data }) => ({ cursor, data })))
})

async function until(condition: () => boolean, news: Array<() => void>): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => news.push(resolve))
}
