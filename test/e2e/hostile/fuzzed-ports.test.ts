/**
 * Holds off: bytes that nobody should say, at any port and at any stage of any handshake, refusals included. The process lives, what
 * they cost comes back, and an honest client beside them is served.
 */
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { frameTypes } from '../../../src/engine/custom/link/frame-types.ts'
import { certificate } from '../../fixtures/certificate.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { converse, type Place } from '../../fixtures/fuzz/conversation.ts'
import { fuzzPeer } from '../../fixtures/fuzz/custom-talk.ts'
import { fuzz } from '../../fixtures/fuzz/fuzz.ts'
import { httpTalk, webSocketTalk } from '../../fixtures/fuzz/http-talk.ts'
import { fuzzDatagrams, hostileNode, negotiationTalk } from '../../fixtures/fuzz/libp2p-talk.ts'
import type { EngineName, GatewayProcess } from '../../fixtures/gateway-process.ts'
import type { Random } from '../../fixtures/random.ts'
import { openLinkedPeer } from '../../fixtures/raw-peer.ts'
import { residentMiB } from '../../fixtures/resident-memory.ts'
import { adminToken, startSmallGateway } from '../../fixtures/small-gateway.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

/** Connections to each port, and at once: fewer than the port of metrics serves. */
const connections = 2_000
const atOnce = 24
const testMs = 300_000
/** Resident memory that may be left of an attack: what the engine of JavaScript has not given back yet. */
const leftMiB = 150

/** Limits of one address and one second, out of the way of what is behind them; deadlines short, so that the test sees them end. */
const open = {
  PEERGATE_MAX_INBOUND_CONNECTIONS_PER_ADDRESS: '1000000',
  PEERGATE_MAX_HANDSHAKES_PER_SECOND: '1000000',
  PEERGATE_ADDRESS_RATE: '1000000',
  PEERGATE_ADDRESS_BURST: '1000000',
  PEERGATE_TOKEN_RATE: '1000000',
  PEERGATE_TOKEN_BURST: '1000000',
  PEERGATE_DIAL_TIMEOUT_MS: '2000',
  PEERGATE_MAX_EVENT_LOOP_DELAY_MS: '60000',
}

async function descriptors({ child }: GatewayProcess): Promise<number> {
  return (await readdir(`/proc/${child.pid}/fd`)).length
}

/** Attacks a port, asks the honest question again and again meanwhile, and looks at what is left of the process. */
async function attack(
  gateway: GatewayProcess,
  seed: number,
  connect: (random: Random, round: number) => Promise<void>,
  honest: () => Promise<unknown>,
): Promise<void> {
  const before = { files: await descriptors(gateway), memory: await residentMiB(gateway.child.pid ?? 0) }
  await honest()
  /** One question at a time. */
  let asked = Promise.resolve()
  let served = 0
  const made = await fuzz({ seed, connections, atOnce }, async (random, round) => {
    await connect(random, round)
    if (round % 400 !== 200) return
    asked = asked.then(async () => {
      await honest()
      served++
    })
    await asked
  })
  expect(made).toBe(connections)
  expect(served).toBe(connections / 400)
  await honest()
  expect({ code: gateway.child.exitCode, signal: gateway.child.signalCode }).toEqual({ code: null, signal: null })
  // What never finished its handshake has until its deadline, and on a busy machine comes to it late.
  await expect.poll(() => descriptors(gateway), { interval: 200, timeout: 60_000 }).toBeLessThan(before.files + 10)
  await expect.poll(() => residentMiB(gateway.child.pid ?? 0), { interval: 500 }).toBeLessThan(Math.max(before.memory, 250) + leftMiB)
}

function placeOf(gateway: GatewayProcess, form: RegExp): Place & { address: string } {
  const address = gateway.multiaddrs.find((text) => form.test(text))
  const [, host, port] = /^\/ip4\/([\d.]+)\/(?:tcp|udp)\/(\d+)/.exec(address ?? '') ?? []
  if (address === undefined || host === undefined || port === undefined) throw new Error(`no such address in ${gateway.multiaddrs}`)
  return { address, host, port: Number(port) }
}

async function answersPing(url: string): Promise<void> {
  const pong = Promise.withResolvers<void>()
  using peer = await openLinkedPeer(url, { onFrame: (type) => type === frameTypes.pong && pong.resolve() })
  peer.channel.write(frameTypes.ping, Buffer.alloc(8))
  await Promise.race([pong.promise, peer.closed.then(() => Promise.reject(new Error('an honest peer was cut')))])
}

const p2pRequests = [
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345',
  'CONNECT x:1 HTTP/1.1\r\n\r\n',
]
const offered = [[], ['Sec-WebSocket-Protocol: peergate.p2p.v1'], ['Sec-WebSocket-Protocol: other, words']]

test.each(['ws', 'wss'])(
  'custom engine, P2P port, %s',
  async (form) => {
    const tls = form === 'wss'
    const files = tls ? await certificate() : undefined
    const gateway = await startSmallGateway({
      ...open,
      PEERGATE_LISTEN: `/ip4/127.0.0.1/tcp/0/${form}`,
      ...(files === undefined ? {} : { PEERGATE_TLS_CERT_FILE: files.certFile, PEERGATE_TLS_KEY_FILE: files.keyFile }),
    })
    const { host, port } = placeOf(gateway, /./)
    const url = `${form}://${host}:${port}`
    await attack(
      gateway,
      1,
      async (random, round) => {
        const place = { host, port, tls: tls && random.chance(0.8) }
        if (random.chance(0.3)) await fuzzPeer(url, random, round)
        else if (random.chance(0.4)) await converse(place, httpTalk(random, p2pRequests), random, round)
        else await converse(place, webSocketTalk(random, { path: '/', fields: random.pick(offered) }), random, round)
      },
      () => answersPing(url),
    )
  },
  testMs,
)

test.each([
  ['TCP', /\/tcp\/\d+\/p2p\//],
  ['WebSocket', /\/ws\//],
])(
  'libp2p, %s port',
  async (_name, form) => {
    const gateway = await startSmallGateway({ ...open, ...listening }, { engine: 'libp2p' })
    const { host, port, address } = placeOf(gateway, form)
    const isWebSocket = address.includes('/ws')
    const hostile = await hostileNode()
    const honest = await stockNode()
    await attack(
      gateway,
      2,
      async (random, round) => {
        if (random.chance(0.1)) await hostile.connect(address, random)
        else if (!isWebSocket) await converse({ host, port }, negotiationTalk(random), random, round)
        else if (random.chance(0.3)) await converse({ host, port }, httpTalk(random, p2pRequests), random, round)
        else await converse({ host, port }, webSocketTalk(random, { path: '/' }, sayNegotiation(random)), random, round)
      },
      () => dialAndPing(honest, address),
    )
  },
  testMs,
)

test(
  'libp2p, QUIC port',
  async () => {
    const gateway = await startSmallGateway({ ...open, ...listening }, { engine: 'libp2p' })
    const { host, port, address } = placeOf(gateway, /\/quic-v1/)
    const hostile = await hostileNode()
    const honest = await stockNode()
    await attack(
      gateway,
      3,
      (random, round) => (random.chance(0.1) ? hostile.connect(address, random) : fuzzDatagrams({ host, port }, random, round)),
      () => dialAndPing(honest, address),
    )
  },
  testMs,
)

const listening = { PEERGATE_LISTEN: '/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/tcp/0/ws,/ip4/127.0.0.1/udp/0/quic-v1' }

/** What is said in frames of a WebSocket to a node of libp2p. */
function sayNegotiation(random: Random): () => Buffer {
  const steps = negotiationTalk(random).filter((step) => Buffer.isBuffer(step))
  return () => steps.shift() ?? Buffer.alloc(0)
}

async function dialAndPing(node: Awaited<ReturnType<typeof stockNode>>, address: string): Promise<void> {
  const connection = await node.dial(multiaddr(address))
  // A stock node has one stream of ping at a time, and that of the ping before may be closing still.
  await expect.poll(() => connection.streams.filter(({ protocol }) => protocol === '/ipfs/ping/1.0.0')).toEqual([])
  await node.services.ping.ping(connection.remotePeer, { signal: AbortSignal.timeout(20_000) })
}

const bearer = `Authorization: Bearer ${adminToken}`
const apiRequests = [
  'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'GET /v1/node HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  `GET /v1/events?topic=a HTTP/1.1\r\nHost: 127.0.0.1\r\n${bearer}\r\n\r\n`,
  `GET /v1/topics/a/messages?waitMs=20000 HTTP/1.1\r\nHost: 127.0.0.1\r\n${bearer}\r\n\r\n`,
  `POST /v1/topics/a/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n${bearer}\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"data":"x"}`,
  `POST /v1/topics/a/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n${bearer}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"dat\r\nzz\r\n`,
  `POST /v1/topics/a/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n${bearer}\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n`,
  'CONNECT x:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
]
const clientFrames = [
  '{"type":"subscribe","topics":["a"]}',
  '{"type":"publish","topic":"a","data":"x"}',
  '{"type":"nothing"}',
  '{}',
  '[',
  '1',
]
/** Upgrades that are served, refused after they are open, and refused as HTTP. */
const streamFields = [
  [bearer],
  [bearer, 'Sec-WebSocket-Protocol: peergate.v1.cbor'],
  ['Sec-WebSocket-Protocol: peergate.v1.json, peergate.bearer.AAAA'],
  ['Sec-WebSocket-Protocol: peergate.v1.json'],
  [bearer, 'Sec-WebSocket-Protocol: nothing'],
  [],
]
const streamPaths = ['/v1/stream', '/v1/stream?topic=a', '/v1/stream?topic=a&after=earliest', '/v1/stream?after=x', '/v1/node', '/nowhere']

test.each<[EngineName]>([['custom'], ['libp2p']])(
  'HTTP port, with the %s engine',
  async (engine) => {
    const gateway = await startSmallGateway(open, { engine })
    const { hostname, port } = new URL(gateway.url)
    const place = { host: hostname, port: Number(port) }
    await attack(
      gateway,
      4,
      async (random, round) => {
        if (random.chance(0.4)) return await converse(place, httpTalk(random, apiRequests), random, round)
        const upgrade = { path: random.pick(streamPaths), fields: random.pick(streamFields) }
        const say = () => Buffer.from(random.pick(clientFrames))
        await converse(place, webSocketTalk(random, upgrade, say), random, round)
      },
      () => expectOk(`${gateway.url}/v1/node`),
    )
  },
  testMs,
)

test(
  'metrics port',
  async () => {
    const port = await freePort()
    const gateway = await startSmallGateway({ ...open, PEERGATE_METRICS_PORT: String(port) })
    const place = { host: '127.0.0.1', port }
    const requests = ['GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n', ...p2pRequests]
    await attack(
      gateway,
      5,
      (random, round) =>
        converse(place, random.chance(0.7) ? httpTalk(random, requests) : webSocketTalk(random, { path: '/metrics' }), random, round),
      () => expectOk(`http://127.0.0.1:${port}/metrics`),
    )
  },
  testMs,
)

/** On a connection of its own: one that idles goes first when there are too many. */
async function expectOk(url: string): Promise<void> {
  const asked = get(url, { agent: false, headers: { authorization: `Bearer ${adminToken}` } })
  const [answer]: IncomingMessage[] = await once(asked, 'response')
  expect(answer?.statusCode).toBe(200)
  answer?.resume()
}
