import { client } from './peergate/client.gen.ts'
import {
  cancelDelivery,
  createToken,
  getMessageData,
  getNode,
  getTopic,
  joinTopic,
  listTopicMessages,
  publishMessages,
  publishToTopic,
  sendToPeer,
} from './peergate/sdk.gen.ts'
import type { PublishToTopicErrors, PublishToTopicResponses } from './peergate/types.gen.ts'

const [url = '', token = ''] = process.argv.slice(2)
client.setConfig({ baseUrl: url, auth: token })
const throwOnError = true
const orders = { topic: 'orders' }

const { data: node } = await getNode({ throwOnError })

const retention = { maxMessages: 100, maxBytes: Number.MAX_SAFE_INTEGER }
const { data: topic } = await joinTopic({ path: orders, body: { retention }, throwOnError })

const { data: published } = await publishToTopic({ path: orders, body: { data: 'hello' }, throwOnError })

const messages = ['one', 'two'].map((data) => ({ topic: 'orders', data }))
const { data: listed } = await publishMessages({ body: { messages }, throwOnError })

// The generated function takes only JSON; the client under it sends bytes.
const { data: binary } = await client.post<PublishToTopicResponses, PublishToTopicErrors, true>({
  url: '/v1/topics/{topic}/messages',
  path: orders,
  headers: { 'Content-Type': 'application/octet-stream' },
  body: Uint8Array.of(0, 255, 10),
  bodySerializer: null,
  security: [{ scheme: 'bearer', type: 'http' }],
  throwOnError,
})
const { data: bytes } = await getMessageData({ path: { id: binary.id }, throwOnError })

await publishToTopic({ path: orders, body: { data: { order: 17 }, encoding: 'json' }, throwOnError })

const history: unknown[][] = []
for (let after = 'earliest'; ; ) {
  const { data: page } = await listTopicMessages({ path: orders, query: { after, limit: 2, encoding: 'json' }, throwOnError })
  history.push(page.items.map(({ data }) => data))
  if (page.caughtUp) break
  after = page.newer
}

const peerId = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'
const { data: sent } = await sendToPeer({ path: { peerId }, body: { data: 'hello', expiresInMs: 60_000 }, throwOnError })
const { data: cancelled } = await cancelDelivery({ path: { id: sent.id }, throwOnError })

const { data: created } = await createToken({ body: { name: 'tour', actions: ['read'], topics: ['orders'] }, throwOnError })

const refused = await getTopic({ path: { topic: 'nobody' } })

const seen = {
  node: { peerId: node.peerId, maxMessageBytes: node.limits['maxMessageBytes'] },
  retention: topic.retention,
  published: published.id,
  listed: listed.items.map(({ id }) => id),
  bytes: Buffer.from(await bytes.arrayBuffer()).toString('base64'),
  history,
  delivery: { to: sent.to, state: cancelled.state },
  token: { name: created.name, actions: created.actions, expiresAt: created.expiresAt },
  refused: { status: refused.response?.status, code: refused.error?.code },
}
process.stdout.write(`${JSON.stringify(seen)}\n`)
