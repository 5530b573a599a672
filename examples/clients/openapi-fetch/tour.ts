import createClient from 'openapi-fetch'
import type { paths } from './peergate.d.ts'

const [url = '', token = ''] = process.argv.slice(2)
const peergate = createClient<paths>({ baseUrl: url, headers: { authorization: `Bearer ${token}` } })
const orders = { path: { topic: 'orders' } }

/** The data of an answer, or an error with the code of the problem. */
function expectData<Data>({ data, error }: { data?: Data; error?: { code: string; detail: string } }): Data {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.detail}`)
  return data
}

const node = expectData(await peergate.GET('/v1/node'))

const retention = { maxMessages: 100, maxBytes: Number.MAX_SAFE_INTEGER }
const topic = expectData(await peergate.PUT('/v1/topics/{topic}', { params: orders, body: { retention } }))

const published = expectData(await peergate.POST('/v1/topics/{topic}/messages', { params: orders, body: { data: 'hello' } }))

const messages = ['one', 'two'].map((data) => ({ topic: 'orders', data }))
const listed = expectData(await peergate.POST('/v1/messages', { body: { messages } }))

const raw = expectData(
  await peergate.POST('/v1/topics/{topic}/messages', {
    params: orders,
    headers: { 'content-type': 'application/octet-stream' },
    body: '',
    bodySerializer: () => Uint8Array.of(0, 255, 10),
  }),
)
const bytes = expectData(await peergate.GET('/v1/messages/{id}/data', { params: { path: { id: raw.id } }, parseAs: 'arrayBuffer' }))

const order = { data: { order: 17 }, encoding: 'json' } as const
expectData(await peergate.POST('/v1/topics/{topic}/messages', { params: orders, body: order }))

const history: unknown[][] = []
for (let after = 'earliest'; ; ) {
  const query = { after, limit: 2, encoding: 'json' } as const
  const page = expectData(await peergate.GET('/v1/topics/{topic}/messages', { params: { ...orders, query } }))
  history.push(page.items.map(({ data }) => data))
  if (page.caughtUp) break
  after = page.newer
}

const peerId = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'
const body = { data: 'hello', expiresInMs: 60_000 }
const sent = expectData(await peergate.POST('/v1/peers/{peerId}/messages', { params: { path: { peerId } }, body }))
const cancelled = expectData(await peergate.DELETE('/v1/deliveries/{id}', { params: { path: { id: sent.id } } }))

const created = expectData(await peergate.POST('/v1/tokens', { body: { name: 'tour', actions: ['read'], topics: ['orders'] } }))

const refused = await peergate.GET('/v1/topics/{topic}', { params: { path: { topic: 'nobody' } } })

const seen = {
  node: { peerId: node.peerId, maxMessageBytes: node.limits['maxMessageBytes'] },
  retention: topic.retention,
  published: published.id,
  listed: listed.items.map(({ id }) => id),
  bytes: Buffer.from(bytes).toString('base64'),
  history,
  delivery: { to: sent.to, state: cancelled.state },
  token: { name: created.name, actions: created.actions, expiresAt: created.expiresAt },
  refused: { status: refused.response.status, code: refused.error?.code },
}
process.stdout.write(`${JSON.stringify(seen)}\n`)
