/**
 * Holds off: bytes that nobody should say, from those that a gateway dials itself, and from within circuits through a relay. The process
 * lives, what they cost comes back, and honest clients and peers beside them are served.
 */
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { certificate } from '../../fixtures/certificate.ts'
import { talk } from '../../fixtures/fuzz/conversation.ts'
import { fuzzLink } from '../../fixtures/fuzz/custom-talk.ts'
import { fuzz, randomBytesOf } from '../../fixtures/fuzz/fuzz.ts'
import { answerUpgrade, hostileDatagrams, hostileListener } from '../../fixtures/fuzz/hostile-listener.ts'
import { hostileRelay } from '../../fixtures/fuzz/hostile-relay.ts'
import { type HostileListeningNode, hostileListeningNode, negotiationTalk } from '../../fixtures/fuzz/libp2p-talk.ts'
import { type EngineName, type GatewayProcess, loopback } from '../../fixtures/gateway-process.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'
import type { Random } from '../../fixtures/random.ts'
import { residentMiB } from '../../fixtures/resident-memory.ts'
import { adminToken, startSmallGateway } from '../../fixtures/small-gateway.ts'

const testMs = 300_000
/** Resident memory that may be left of an attack: what the engine of JavaScript has not given back yet. */
const leftMiB = 150
/** Descriptors that may be left: links to relays that were honest so far are held. */
const leftFiles = 40

/** Limits of what one client has a gateway do, out of the way of what is behind them; dials short, so that the test sees them end. */
const open = {
  PEERGATE_ADDRESS_RATE: '1000000',
  PEERGATE_ADDRESS_BURST: '1000000',
  PEERGATE_TOKEN_RATE: '1000000',
  PEERGATE_TOKEN_BURST: '1000000',
  PEERGATE_MAX_REQUESTED_DIALS: '1000',
  PEERGATE_DIAL_TIMEOUT_MS: '1000',
  PEERGATE_MAX_EVENT_LOOP_DELAY_MS: '60000',
}

async function descriptors({ child }: GatewayProcess): Promise<number> {
  return (await readdir(`/proc/${child.pid}/fd`)).length
}

/** On a connection of its own: one that stays open would be counted among what an attack has left. */
async function call({ url }: GatewayProcess, method: string, path: string, body?: object): Promise<number | undefined> {
  return (await answerTo({ url }, method, path, body)).statusCode
}

async function answerTo({ url }: Pick<GatewayProcess, 'url'>, method: string, path: string, body?: object) {
  const asked = request(url + path, {
    method,
    agent: false,
    headers: { authorization: `Bearer ${adminToken}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
  })
  asked.end(body === undefined ? undefined : JSON.stringify(body))
  const [answer]: IncomingMessage[] = await once(asked, 'response')
  return { statusCode: answer?.statusCode, text: answer === undefined ? '' : await text(answer) }
}

/** The gateway is asked for a dial; what becomes of it is the listener's doing. */
async function dial(gateway: GatewayProcess, multiaddr: string): Promise<void> {
  const { statusCode, text: said } = await answerTo(gateway, 'POST', '/v1/peers', { multiaddr })
  expect([201, 502]).toContain(statusCode)
  // What the other end has said is not passed on as it came.
  const { detail = '' }: { detail?: string } = JSON.parse(said)
  expect(detail).not.toMatch(/\p{Cc}/u)
  expect(detail.length).toBeLessThan(1_000)
}

interface Attack {
  seed: number
  dials: number
  atOnce: number
  engine: EngineName
  dial(random: Random, round: number): Promise<void>
}

/** Has a gateway dial again and again, publishes and is linked to an honest gateway meanwhile, and looks at what is left. */
async function attack(gateway: GatewayProcess, { seed, dials, atOnce, engine, dial: dialOne }: Attack): Promise<void> {
  const honest = await startSmallGateway({ ...open, PEERGATE_LISTEN: loopback[engine] }, { engine })
  const serve = async () => {
    expect(await call(gateway, 'POST', '/v1/topics/a/messages', { data: 'x' })).toBe(201)
    expect(await call(gateway, 'POST', '/v1/peers', { multiaddr: honest.multiaddrs[0] ?? '' })).toBe(201)
    expect(await call(gateway, 'POST', `/v1/peers/${honest.peerId}/ping`)).toBe(200)
  }
  await serve()
  const before = { files: await descriptors(gateway), memory: await residentMiB(gateway.child.pid ?? 0) }
  let served = 0
  await fuzz({ seed, connections: dials, atOnce }, async (random, round) => {
    await dialOne(random, round)
    if (round % 100 !== 50) return
    await serve()
    served++
  })
  expect(served).toBe(Math.ceil((dials - 50) / 100))
  await serve()
  expect({ code: gateway.child.exitCode, signal: gateway.child.signalCode }).toEqual({ code: null, signal: null })
  expect(gateway.lines.filter((line) => line.includes('unhandled promise rejection'))).toEqual([])
  await expect.poll(() => descriptors(gateway), { interval: 200 }).toBeLessThan(before.files + leftFiles)
  await expect.poll(() => residentMiB(gateway.child.pid ?? 0), { interval: 500 }).toBeLessThan(Math.max(before.memory, 250) + leftMiB)
}

/** As many listeners as there are dials at once: two dials to one address would be one. */
async function several<Each>(count: number, make: (index: number) => Promise<Each>): Promise<Each[]> {
  return await Promise.all(Array.from({ length: count }, (_, index) => make(index)))
}

function answeredBy(listeners: readonly { answered: number }[]): number {
  return listeners.reduce((sum, { answered }) => sum + answered, 0)
}

/** Lends each of them to one dial at a time. */
function lending<Each>(all: readonly Each[]): <Result>(use: (one: Each) => Promise<Result>) => Promise<Result> {
  const free = [...all]
  return async (use) => {
    const one = free.pop()
    if (one === undefined) throw new Error('more at once than there are')
    try {
      return await use(one)
    } finally {
      free.push(one)
    }
  }
}

const keyOf = (random: Random) => Buffer.from(Array.from({ length: 32 }, () => random.below(256)))

test(
  'custom engine: dials to ws and wss, circuits that a gateway opens, and circuits that it is offered',
  async () => {
    const atOnce = 32
    const files = await certificate()
    const tls = { cert: await readFile(files.certFile), key: await readFile(files.keyFile) }
    const answer = answerUpgrade({ onOpen: (socket, random) => fuzzLink(socket, { role: 'responder', seed: keyOf(random) }, random) })
    const plain = await several(atOnce + 1, (seed) => hostileListener({ seed, answer }))
    const secure = await several(atOnce, (seed) => hostileListener({ seed, tls, answer }))
    const relays = await several(atOnce, (index) => hostileRelay(1 + 9 * index))
    const [configured] = plain
    const gateway = await startSmallGateway({
      ...open,
      // A gateway that listens nowhere asks its relays for circuits.
      PEERGATE_LISTEN: '/p2p-circuit',
      PEERGATE_BOOTSTRAP: `/ip4/127.0.0.1/tcp/${configured?.port}/ws,${relays[0]?.address}`,
      NODE_EXTRA_CA_CERTS: files.certFile,
    })
    const [lendPlain, lendSecure, lendRelay] = [lending(plain.slice(1)), lending(secure), lending(relays)]
    const dials = 2_050
    await attack(gateway, {
      seed: 1,
      dials,
      atOnce,
      engine: 'custom',
      async dial(random) {
        const kind = random.pick(['ws', 'ws', 'ws', 'wss', 'circuit'])
        if (kind === 'ws') await lendPlain(({ port }) => dial(gateway, `/ip4/127.0.0.1/tcp/${port}/ws`))
        else if (kind === 'wss') await lendSecure(({ port }) => dial(gateway, `/ip4/127.0.0.1/tcp/${port}/wss`))
        else await lendRelay((relay) => dial(gateway, relay.circuitTo(random)))
      },
    })
    // A dial to where a link still is, is answered by that.
    expect(answeredBy([...plain, ...secure, ...relays])).toBeGreaterThan(0.9 * dials)
    expect(answeredBy(relays)).toBeGreaterThan(0.1 * dials)
    expect(relays.reduce((sum, { offered }) => sum + offered, 0)).toBeGreaterThan(100)
    expect(configured?.answered).toBeGreaterThan(0)
  },
  testMs,
)

test(
  'libp2p: dials to TCP, WebSocket and QUIC, and circuits',
  async () => {
    const atOnce = 12
    const say = (random: Random) => negotiationTalk(random).find((step) => Buffer.isBuffer(step)) ?? randomBytesOf(random, 100)
    const listeners = await several(atOnce + 1, (seed) =>
      hostileListener({ seed, answer: (socket, random) => talk(socket, negotiationTalk(random), random) }),
    )
    const webSockets = await several(atOnce, (seed) => hostileListener({ seed, answer: answerUpgrade({ say }) }))
    const quic = await several(atOnce, hostileDatagrams)
    const nodes = await several(atOnce, hostileListeningNode)
    const behind = await several(8, () => createMemoryIdentity())
    const [configured] = listeners
    const { peerId } = await createMemoryIdentity()
    const gateway = await startSmallGateway(
      {
        ...open,
        PEERGATE_LISTEN: '/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/tcp/0/ws,/ip4/127.0.0.1/udp/0/quic-v1',
        PEERGATE_BOOTSTRAP: `/ip4/127.0.0.1/tcp/${configured?.port}/p2p/${peerId}`,
      },
      { engine: 'libp2p' },
    )
    const [lendListener, lendWebSocket] = [lending(listeners.slice(1)), lending(webSockets)]
    const [lendQuic, lendNode] = [lending(quic), lending(nodes)]
    const dials = 1_050
    await attack(gateway, {
      seed: 2,
      dials,
      atOnce,
      engine: 'libp2p',
      async dial(random) {
        if (random.chance(0.4)) await lendListener(({ port }) => dial(gateway, `/ip4/127.0.0.1/tcp/${port}`))
        else if (random.chance(0.5)) await lendWebSocket(({ port }) => dial(gateway, `/ip4/127.0.0.1/tcp/${port}/ws`))
        else if (random.chance(0.15)) await lendQuic(({ port }) => dial(gateway, `/ip4/127.0.0.1/udp/${port}/quic-v1`))
        else await lendNode((node) => dialNode(node, random))
      },
    })
    expect(answeredBy([...listeners, ...webSockets, ...quic, ...nodes])).toBeGreaterThan(0.9 * dials)
    for (const each of [listeners, webSockets, quic, nodes]) expect(answeredBy(each)).toBeGreaterThan(0.02 * dials)
    expect(configured?.answered).toBeGreaterThan(0)

    async function dialNode(node: HostileListeningNode, random: Random): Promise<void> {
      node.expect(random)
      const address = node.address(random.pick([/\/tcp\/\d+\/p2p/, /\/ws/, /\/quic-v1/]))
      await dial(gateway, random.chance(0.3) ? `${address}/p2p-circuit/p2p/${random.pick(behind).peerId}` : address)
      node.hangUp()
      // Until the gateway has noticed, another dial would be answered by the link that was there.
      await call(gateway, 'DELETE', `/v1/peers/${node.peerId}`)
    }
  },
  testMs,
)
