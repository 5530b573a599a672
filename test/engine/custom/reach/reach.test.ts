import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../../src/engine/engine.ts'
import { type CustomEngineOptions, startedCustomEngine } from '../../../fixtures/custom-engine.ts'
import { holdDeadlines } from '../../../fixtures/held-deadlines.ts'

const signal = AbortSignal.timeout(600_000)
const linked = (engine: P2PEngine) => engine.peers().then((peers) => peers.map(({ peerId }) => peerId))
const known = (engine: P2PEngine, peerId: string) =>
  engine.peers().then((peers) => peers.find((peer) => peer.peerId === peerId)?.multiaddrs ?? [])

async function addressOf(engine: P2PEngine): Promise<string> {
  const [address = ''] = await engine.multiaddrs()
  return address
}

async function link(from: P2PEngine, to: P2PEngine): Promise<void> {
  await from.dial(await addressOf(to), { source: 'rest', signal })
}

const node = (options: CustomEngineOptions = {}) => startedCustomEngine(options)

/** Dials back who is on this host, as all are here; others dial nobody but whom the test has them dial. */
function helpful(options: CustomEngineOptions = {}): Promise<P2PEngine> {
  return startedCustomEngine({ dialOwnHost: true, relay: true, ...options })
}

async function hiddenBehind(relay: P2PEngine): Promise<{ engine: P2PEngine; address: string }> {
  const engine = await node({ listen: ['/p2p-circuit'] })
  await link(engine, relay)
  const address = async () => (await engine.multiaddrs()).find((text) => text.includes('/p2p-circuit')) ?? ''
  await expect.poll(address).not.toBe('')
  return { engine, address: await address() }
}

test('a node that is dialled back is direct, and one whose address leads nowhere is hidden and gets a relay', async () => {
  const helper = await helpful()
  const open = await node()
  await link(open, helper)
  await expect.poll(async () => (await open.reachability()).state).toBe('direct')
  const closed = await node({ announce: ['/ip4/127.0.0.1/tcp/1/ws'] })
  await link(closed, helper)
  await expect.poll(async () => (await closed.reachability()).state).toBe('hidden')
  await expect.poll(async () => (await closed.reachability()).relays).toEqual([helper.peerId])
  expect((await closed.reachability()).observed).toEqual(['127.0.0.1'])
})

test('a gateway with WebRTC tells peers the port of its STUN server, and takes signals; others do neither', async () => {
  const [able, other] = [await node({ webRtc: { stunPort: 0 } }), await node()]
  await link(other, able)
  const protocols = async (from: P2PEngine) => (await from.peers()).flatMap((peer) => peer.protocols)
  const offered = ['/peergate/stun/1.0.0', '/peergate/webrtc/1.0.0']
  expect(await protocols(other)).toEqual(expect.arrayContaining(offered))
  expect((await protocols(able)).filter((protocol) => offered.includes(protocol))).toEqual([])
  expect([able, other].map(({ capabilities }) => capabilities.transports.includes('webrtc'))).toEqual([true, false])
  const ask = () => other.request(able.peerId, '/peergate/stun/1.0.0', new Uint8Array(), { signal, maxAnswerBytes: 2 })
  await expect.poll(() => ask().catch(() => new Uint8Array())).toHaveLength(2)
})

test('peers are told when the addresses of a node change', async () => {
  const first = await node()
  const relay = await node({ relay: true })
  const hidden = await node({ listen: ['/p2p-circuit'] })
  await link(hidden, first)
  expect((await known(first, hidden.peerId)).filter((text) => text.includes('/p2p-circuit'))).toEqual([])
  await link(hidden, relay)
  await expect.poll(() => known(first, hidden.peerId)).toContainEqual(expect.stringContaining(`${relay.peerId}/p2p-circuit`))
})

test('two hidden nodes reach each other through a relay', async () => {
  const relay = await node({ relay: true })
  const [a, b] = await Promise.all([hiddenBehind(relay), hiddenBehind(relay)])
  await b.engine.handle('/echo/1', async ({ body }) => body, { maxRequestBytes: 1_000_000, maxConcurrent: 4 })
  // Either may have been told of the other by the relay, and have dialled it.
  const peer = await a.engine.dial(b.address, { source: 'rest', signal })
  expect(peer).toMatchObject({ peerId: b.engine.peerId, path: { by: 'relay', via: relay.peerId } })
  await expect.poll(async () => (await a.engine.peers()).find(({ peerId }) => peerId === b.engine.peerId)?.protocols).toContain('/echo/1')
  const secret = randomBytes(600_000)
  const answers = await Promise.all(
    Array.from({ length: 3 }, () => a.engine.request(b.engine.peerId, '/echo/1', secret, { signal, maxAnswerBytes: 1_000_000 })),
  )
  for (const answer of answers) expect(Buffer.compare(answer, secret)).toBe(0)
})

test('a direct link takes the place of one through a relay', async () => {
  const relay = await helpful()
  const target = await node({ announce: ['/ip4/127.0.0.1/tcp/1/ws'] })
  await link(target, relay)
  const address = async () => (await target.multiaddrs()).find((text) => text.includes('/p2p-circuit')) ?? ''
  await expect.poll(address).not.toBe('')
  const other = await node()
  expect(await other.dial(await address(), { source: 'rest', signal })).toMatchObject({ path: { by: 'relay', via: relay.peerId } })
  await link(target, other)
  await expect.poll(async () => (await other.peers()).find(({ peerId }) => peerId === target.peerId)?.path.by).toBe('websocket')
  expect((await linked(other)).filter((peerId) => peerId === target.peerId)).toHaveLength(1)
})

test('requests in progress in both directions are answered on the relayed link that a direct one replaces', async () => {
  const relay = await helpful()
  const target = await node({ announce: ['/ip4/127.0.0.1/tcp/1/ws'] })
  await link(target, relay)
  const address = async () => (await target.multiaddrs()).find((text) => text.includes('/p2p-circuit')) ?? ''
  await expect.poll(address).not.toBe('')
  const other = await node()
  const release = Promise.withResolvers<void>()
  let begun = 0
  for (const engine of [target, other]) {
    const hold = async ({ body }: { body: Uint8Array }) => {
      begun++
      await release.promise
      return body
    }
    await engine.handle('/hold/1', hold, { maxRequestBytes: 1_000_000, maxConcurrent: 4 })
  }
  const gone: string[] = []
  for (const engine of [target, other]) engine.listen((event) => void (event.type === 'peer:disconnect' && gone.push(event.peerId)))
  await other.dial(await address(), { source: 'rest', signal })
  const protocols = async (engine: P2PEngine, peerId: string) => (await engine.peers()).find((peer) => peer.peerId === peerId)?.protocols
  await expect.poll(() => protocols(other, target.peerId)).toContain('/hold/1')
  await expect.poll(() => protocols(target, other.peerId)).toContain('/hold/1')
  const body = randomBytes(600_000)
  const options = { signal, maxAnswerBytes: 1_000_000 }
  const answers = Promise.all([
    other.request(target.peerId, '/hold/1', body, options),
    target.request(other.peerId, '/hold/1', body, options),
  ])
  await expect.poll(() => begun).toBe(2)
  await link(target, other)
  for (const [one, another] of [
    [target, other],
    [other, target],
  ] as const) {
    await expect.poll(async () => (await one.peers()).find(({ peerId }) => peerId === another.peerId)?.path.by).toBe('websocket')
    // The new link is read while the old one is still open.
    await one.ping(another.peerId, { signal })
  }
  release.resolve()
  for (const answer of await answers) expect(Buffer.compare(answer, body)).toBe(0)
  expect(gone).toEqual([])
})

test('maxRelayReservations: a full relay takes no more', async () => {
  const relay = await node({ relay: true, limits: { maxRelayReservations: 1 } })
  await hiddenBehind(relay)
  const second = await node({ listen: ['/p2p-circuit'] })
  await link(second, relay)
  const third = await node({ relay: true })
  await link(second, third)
  await expect.poll(async () => (await second.reachability()).relays).toEqual([third.peerId])
})

test('maxRelayStreams: circuits beyond it are refused', async () => {
  const relay = await node({ relay: true, limits: { maxRelayStreams: 1 } })
  const { engine: target, address } = await hiddenBehind(relay)
  const [first, second] = await Promise.all([node(), node()])
  await first.dial(address, { source: 'rest', signal })
  await expect(second.dial(address, { source: 'rest', signal })).rejects.toThrow(/the relay has reached its maximum/)
  await first.hangUp(target.peerId)
  await expect.poll(() => second.dial(address, { source: 'rest', signal }).then(({ peerId }) => peerId, String)).toBe(target.peerId)
})

test('relayMs: a circuit ends when its time is over', async () => {
  const endCircuits = holdDeadlines(299_999)
  const relay = await node({ relay: true, limits: { relayMs: 299_999 } })
  const { engine: target, address } = await hiddenBehind(relay)
  const other = await node()
  const gone: string[] = []
  other.listen((event) => {
    if (event.type === 'peer:disconnect') gone.push(event.peerId)
  })
  await other.dial(address, { source: 'rest', signal })
  expect(gone).toEqual([])
  endCircuits()
  await expect.poll(() => gone).toEqual([target.peerId])
  expect(await linked(target)).toContain(relay.peerId)
})

test('a circuit to a peer that did not ask for it is refused', async () => {
  const relay = await node({ relay: true })
  const open = await node()
  await link(open, relay)
  const other = await node()
  const address = `${await addressOf(relay)}/p2p-circuit/p2p/${open.peerId}`
  await expect(other.dial(address, { source: 'rest', signal })).rejects.toThrow(/no reservation at this relay/)
})
