import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { heldBytes, inspectable } from '../fixtures/collect-garbage.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { openLinkedPeer, webSocketUrl } from '../fixtures/raw-peer.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

/** Tokens, sessions, topics, subscriptions and peers come and go at a gateway, again and again, under names that are new each time. */

const visits = byLength({ gate: 450, full: 4_000 })
/** After these its tables have about their sizes. */
const firstVisits = 200
const atATime = 6
/**
 * Of a visit, in memory: a connection, a subscription or a link of which anything was left would keep several times as much with its buffers. Less
 * is kept by what is remembered of names within a bound, and for a time.
 */
const keptBytes = 3_072
/** Peers come back: of each that ever came some bounds are remembered, 2 KB together, and of 4,096 at most. */
const peerIds = 50
const adminToken = 'the-token-of-the-operator'
const quick = {
  PEERGATE_ADMIN_TOKEN: adminToken,
  PEERGATE_RETENTION_MAX_AGE_MS: '500',
  PEERGATE_RETENTION_SWEEP_MS: '100',
  PEERGATE_SEEN_WINDOW_MS: '500',
  PEERGATE_SENT_WINDOW_MS: '200',
  PEERGATE_UNSENT_WINDOW_MS: '500',
  PEERGATE_MAX_RING_MESSAGES: '100',
  PEERGATE_AUDIT_MAX_AGE_MS: '500',
  PEERGATE_TOPIC_KEPT_MS: '500',
  PEERGATE_PEER_KEPT_MS: '500',
  PEERGATE_MAX_KNOWN_PEERS: '20',
  PEERGATE_MAX_INBOUND_CONNECTIONS_PER_ADDRESS: '100',
  NODE_OPTIONS: `--max-old-space-size=256 ${inspectable}`,
}

const seedOf = (number: number) => createHash('sha256').update(`peer ${number}`).digest()
const tokenSchema = z.object({ id: z.string(), secret: z.string() })

interface Visited {
  url: string
  /** Has a peer with the key of a seed come, until it is disposed of. */
  link(seed: Uint8Array): Promise<AsyncDisposable>
}

/** How peers of an engine come to a gateway. */
const links: Record<EngineName, (multiaddrs: string[]) => Visited['link']> = {
  custom: (multiaddrs) => async (seed) => {
    const peer = await openLinkedPeer(webSocketUrl(multiaddrs), { seed })
    return { [Symbol.asyncDispose]: async () => peer[Symbol.dispose]() }
  },
  libp2p: (multiaddrs) => async (seed) => {
    const node = await createLibp2p({
      privateKey: await generateKeyPairFromSeed('Ed25519', seed),
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() },
    })
    await node.dial(multiaddrs.filter((address) => /\/tcp\/\d+\/p2p\//.test(address)).map((address) => multiaddr(address)))
    return { [Symbol.asyncDispose]: async () => await node.stop() }
  },
}

/** A token is made, opens a session, subscribes, publishes, and is revoked; a peer comes and goes meanwhile. */
async function visit({ url, link }: Visited, number: number): Promise<void> {
  async function call(method: string, path: string, headers: Record<string, string>, body?: object): Promise<Response> {
    const answer = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`)
    return answer
  }

  const admin = { authorization: `Bearer ${adminToken}` }
  const topic = `visits.${number}`
  const made = await call('POST', '/v1/tokens', admin, { name: topic, actions: ['read', 'publish'], topics: ['visits.*'] })
  const token = tokenSchema.parse(await made.json())
  const bearer = { authorization: `Bearer ${token.secret}` }
  const cookie = { cookie: ((await call('POST', '/v1/session', bearer)).headers.get('set-cookie') ?? '').split(';')[0] ?? '' }
  await call('PUT', `/v1/topics/${encodeURIComponent(topic)}`, bearer)
  {
    await using _peer = await link(seedOf(number % peerIds))
    await using client = await openStream(url, { headers: bearer })
    client.send({ type: 'subscribe', id: 's', subscription: 'mine', topics: [topic], after: 'latest' })
    await client.expect('subscribed')
    client.send({ type: 'subscribe', id: 'p', subscription: 'all', topics: ['visits.*'] })
    await call('POST', `/v1/topics/${encodeURIComponent(topic)}/messages`, bearer, { data: 'here' })
    await client.expect('message', ({ subscription }) => subscription === 'mine')
    client.send({ type: 'unsubscribe', id: 'u', subscription: 'mine' })
    await client.expect('unsubscribed')
  }
  await call('DELETE', `/v1/topics/${encodeURIComponent(topic)}`, admin)
  await call('DELETE', '/v1/session', cookie)
  await call('DELETE', `/v1/tokens/${token.id}`, admin)
}

/** Rows of each table of a database in use. */
function countRows(path: string): Record<string, number> {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  try {
    const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).all()
    const count = (name: string) => Number(database.prepare(`SELECT count(*) AS rows FROM "${name}"`).get()?.['rows'])
    return Object.fromEntries(tables.map(({ name }) => [String(name), count(String(name))]))
  } finally {
    database.close()
  }
}

test.each<EngineName>(['custom', 'libp2p'])(
  'of what comes and goes, under new names each time, nothing stays in memory or database, on a heap of 256 MiB (%s)',
  {
    timeout: 480_000,
  },
  async (engine) => {
    const directory = await temporaryDirectory()
    const gateway = await gatewayForTest({ ...quietEnvironment(directory, engine), ...quick })
    const target = { url: gateway.url, link: links[engine](gateway.multiaddrs) }
    let number = 0
    const visitUntil = async (last: number) => {
      const come = async () => {
        while (number < last) await visit(target, number++)
      }
      await Promise.all(Array.from({ length: atATime }, come))
      return await heldBytes(gateway)
    }
    const first = await visitUntil(firstVisits)
    const last = await visitUntil(visits)
    expect((last - first) / (visits - firstVisits), 'bytes of a visit').toBeLessThan(keptBytes)

    const grown = () => Object.entries(countRows(join(directory, 'peergate.db'))).filter(([, rows]) => rows > peerIds / 2)
    await expect.poll(grown, { interval: 200 }).toEqual([])
  },
)
