import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import type { Inbound, P2PEngine } from '../../src/engine/engine.ts'
import type { Limits } from '../../src/limits.ts'
import type { SignedMessage } from '../../src/model/signed-message.ts'
import { startedCustomEngine } from '../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'
import { stockNode } from '../fixtures/stock-node.ts'

/** A node that nobody can dial, reached through one that everybody can. */

interface Options {
  seed?: Uint8Array
  listen?: string[]
  relay?: boolean
  limits?: Partial<Limits>
  inbound?: Inbound
}

const engines: Array<{ kind: string; started: (options?: Options) => Promise<P2PEngine> }> = [
  { kind: 'custom', started: startedCustomEngine },
  { kind: 'libp2p', started: startedLibp2pEngine },
]

const signal = AbortSignal.timeout(600_000)
const relayed = (addresses: string[]) => addresses.find((address) => address.includes('/p2p-circuit')) ?? ''
const linked = (engine: P2PEngine) => engine.peers().then((peers) => peers.map(({ peerId }) => peerId))

async function addressOf(engine: P2PEngine): Promise<string> {
  const [address = ''] = await engine.multiaddrs()
  return address
}

describe.each(engines)('$kind', ({ started }) => {
  async function hidden(relay: P2PEngine, received: SignedMessage[] = []): Promise<P2PEngine> {
    const engine = await started({
      listen: ['/p2p-circuit'],
      inbound: {
        async onMessage(message) {
          received.push(message)
          return 'accept'
        },
      },
    })
    await engine.dial(await addressOf(relay), { source: 'rest', signal })
    await expect.poll(async () => relayed(await engine.multiaddrs())).not.toBe('')
    return engine
  }

  test('messages and requests pass both ways, and the link is told to be relayed', async () => {
    const relay = await started({ relay: true })
    const received: SignedMessage[] = []
    const target = await hidden(relay, received)
    const other = await started()
    const peer = await other.dial(relayed(await target.multiaddrs()), { source: 'rest', signal })
    expect(peer).toMatchObject({ peerId: target.peerId, path: { by: 'relay', via: relay.peerId } })
    await target.subscribe('orders')
    await expect.poll(() => other.subscribers('orders')).toEqual([target.peerId])
    const numbers = Array.from({ length: 200 }, (_, number) => `${number}`)
    const recipients: number[] = []
    for (const number of numbers) recipients.push(...(await other.send(await other.sign([{ topic: 'orders', data: Buffer.from(number) }]))))
    expect(recipients).toEqual(numbers.map(() => 1))
    await expect.poll(() => received.map(({ data }) => Buffer.from(data).toString())).toEqual(numbers)
    await target.handle('/peergate/test/1.0.0', async ({ body }) => body, { maxRequestBytes: 1_000_000, maxConcurrent: 10 })
    const body = Buffer.alloc(500_000, 'x')
    const answer = await other.request(target.peerId, '/peergate/test/1.0.0', body, { signal, maxAnswerBytes: 1_000_000 })
    expect(Buffer.compare(answer, body)).toBe(0)
    expect(await other.ping(target.peerId, { signal })).toBeGreaterThan(0)
    const counts = () => relay.networks[0]?.reachCounts
    expect(counts()?.circuits).toBe(1)
    // The body there and back.
    expect(counts()?.circuitBytes).toBeGreaterThan(1_000_000)
    await other.stop()
    await expect.poll(() => counts()?.circuits).toBe(0)
  })

  test('a relay that went away and came back is used again', async () => {
    const seed = new Uint8Array(32).fill(3)
    const first = await started({ relay: true, seed })
    const address = await addressOf(first)
    const target = await hidden(first)
    await first.stop()
    await expect.poll(async () => relayed(await target.multiaddrs())).toBe('')
    const [port = ''] = /tcp\/\d+/.exec(address) ?? []
    const again = await started({ relay: true, seed, listen: [`/ip4/127.0.0.1/${port}${address.includes('/ws/') ? '/ws' : ''}`] })
    // A dial that began before it was back may still be failing.
    const dial = async () => (await target.dial(await addressOf(again), { source: 'rest', signal }).catch(() => undefined))?.peerId
    await expect.poll(dial).toBe(again.peerId)
    await expect.poll(async () => relayed(await target.multiaddrs())).not.toBe('')
  })

  test('a relay that was hung up on is linked again when somebody is dialled through it', async () => {
    const relay = await started({ relay: true })
    const target = await hidden(relay)
    const other = await started()
    await other.dial(await addressOf(relay), { source: 'rest', signal })
    await other.hangUp(relay.peerId)
    const peer = await other.dial(relayed(await target.multiaddrs()), { source: 'rest', signal })
    expect(peer).toMatchObject({ peerId: target.peerId, path: { by: 'relay', via: relay.peerId } })
  })

  test('who is no relay relays for nobody', async () => {
    const plain = await started()
    const target = await started({ listen: ['/p2p-circuit'] })
    await target.dial(await addressOf(plain), { source: 'rest', signal })
    const address = `${await addressOf(plain)}/p2p-circuit/p2p/${target.peerId}`
    const other = await started()
    await expect(other.dial(address, { source: 'rest', signal })).rejects.toThrow(/could not be dialled/)
    expect(relayed(await target.multiaddrs())).toBe('')
  })

  test('maxRelayBytes: a relayed connection ends when it has carried as much as it may', async () => {
    const relay = await started({ relay: true, limits: { maxRelayBytes: 200_000 } })
    const target = await hidden(relay)
    const other = await started()
    await other.dial(relayed(await target.multiaddrs()), { source: 'rest', signal })
    await target.handle('/peergate/test/1.0.0', async ({ body }) => body, { maxRequestBytes: 1_000_000, maxConcurrent: 10 })
    const ask = other.request(target.peerId, '/peergate/test/1.0.0', Buffer.alloc(400_000), { signal, maxAnswerBytes: 1_000_000 })
    await expect(ask).rejects.toThrow(/did not answer/)
    await expect.poll(() => linked(other)).not.toContain(target.peerId)
  })

  test('maxRelayReservations: no more peers than that are reached through a relay', async () => {
    const relay = await started({ relay: true, limits: { maxRelayReservations: 1 } })
    await hidden(relay)
    const late = await started({ listen: ['/p2p-circuit'] })
    await late.dial(await addressOf(relay), { source: 'rest', signal })
    await expect.poll(() => relay.limitsReached.relay_reservation).toBeGreaterThan(0)
    expect(relayed(await late.multiaddrs())).toBe('')
  })

  test('a blocked peer is refused through relays too', async () => {
    const relay = await started({ relay: true })
    const target = await hidden(relay)
    const other = await started()
    await target.block(other.peerId)
    await expect(other.dial(relayed(await target.multiaddrs()), { source: 'rest', signal })).rejects.toThrow(/could not be dialled/)
  })
})

async function hiddenBehind(relay: P2PEngine): Promise<P2PEngine> {
  const target = await startedLibp2pEngine({ listen: ['/p2p-circuit'] })
  await target.dial(await addressOf(relay), { source: 'rest', signal })
  await expect.poll(async () => relayed(await target.multiaddrs())).not.toBe('')
  return target
}

test('maxRelayStreams, on libp2p: a peer takes no more than its share of the circuits of a relay, and one that is over gives its place back', async () => {
  const relay = await startedLibp2pEngine({ relay: true, limits: { maxRelayStreams: 4 } })
  const [target, other] = [await hiddenBehind(relay), await hiddenBehind(relay)]
  const dialers = await Promise.all(Array.from({ length: 5 }, () => startedLibp2pEngine()))
  const reach = async (dialer: P2PEngine | undefined, to: P2PEngine) =>
    await dialer
      ?.dial(relayed(await to.multiaddrs()), { source: 'rest', signal })
      .then(() => 'reached')
      .catch((error: Error) => error.name)
  // One is kept free for whoever else is to be reached.
  const all = []
  for (const dialer of dialers.slice(0, 4)) all.push(await reach(dialer, target))
  expect(all).toEqual(['reached', 'reached', 'reached', 'DialFailed'])
  expect(await reach(dialers[3], other)).toBe('reached')
  expect(await reach(dialers[4], other)).toBe('DialFailed')
  expect(relay.limitsReached.relay_circuit).toBeGreaterThanOrEqual(2)
  await dialers[3]?.hangUp(other.peerId)
  await expect.poll(async () => await reach(dialers[4], other)).toBe('reached')
})

test('a stock node reaches a hidden one of libp2p through our relay', async () => {
  const relay = await startedLibp2pEngine({ relay: true })
  const target = await hiddenBehind(relay)
  const node = await stockNode()
  await node.dial(multiaddr(relayed(await target.multiaddrs())))
  await expect.poll(() => linked(target)).toContain(node.peerId.toString())
})
