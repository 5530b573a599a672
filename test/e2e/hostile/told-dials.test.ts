// The kind: a peer's word makes a gateway dial, again and again, a host that is no peer: it names ever new peer ids there.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { frameTypes } from '../../../src/engine/custom/link/frame-types.ts'
import type { ControlFrame } from '../../../src/engine/custom/wire/overlay-frame.ts'
import { encodeControl } from '../../../src/engine/custom/wire/overlay-frame.ts'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { type CountedSockets, countedSockets } from '../../fixtures/counted-sockets.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'
import { openLinkedPeer, type RawPeer, webSocketUrl } from '../../fixtures/raw-peer.ts'

/** The time that is watched, in milliseconds, and dials to one host that are too many in it; without a budget there are hundreds. */
const windowMs = 5_000
const tooMany = 20

const ports = 16

async function neighbour(): Promise<CountedSockets[]> {
  return await Promise.all(Array.from({ length: ports }, () => countedSockets({ host: '127.0.0.2' })))
}

function counted(sockets: CountedSockets[]): number {
  return sockets.reduce((sum, { count }) => sum + count, 0)
}

/** Somebody that nobody has ever heard of, at each of the ports. */
async function strangers(sockets: CountedSockets[]) {
  return await Promise.all(
    sockets.map(async ({ port }) => {
      const { peerId } = await createMemoryIdentity()
      return { peerId, multiaddrs: [`/ip4/127.0.0.2/tcp/${port}/ws/p2p/${peerId}`] }
    }),
  )
}

async function victim(): Promise<P2PEngine> {
  return await startedCustomEngine({ dialOwnHost: true })
}

/** Says the frames over and over for the time that is watched. */
async function tell(peer: RawPeer, framesOf: () => Promise<ControlFrame[]>): Promise<void> {
  const until = performance.now() + windowMs
  while (performance.now() < until) {
    for (const frame of await framesOf()) peer.channel.write(frameTypes.control, encodeControl(frame))
    await pause(100)
  }
}

let walk = 0

test.each<[string, (peers: Awaited<ReturnType<typeof strangers>>) => ControlFrame[]]>([
  ['forward-join', (peers) => peers.map((peer) => ({ type: 'forward-join', peer, hops: 0 }))],
  ['shuffle', (peers) => [{ type: 'shuffle', token: `walk${walk++}`, hops: 0, peers: peers.map((peer) => ({ peer, topics: ['news'] })) }]],
  ['seek', (peers) => peers.map((seeker) => ({ type: 'seek', token: `walk${walk++}`, topic: 'news', hops: 0, seeker }))],
])('what a peer says in %s makes a gateway dial a neighbour a few times only', async (_type, framesOf) => {
  const gateway = await victim()
  const sockets = await neighbour()
  await gateway.subscribe('news')
  using peer = await openLinkedPeer(webSocketUrl(await gateway.multiaddrs()))
  await expect.poll(async () => (await gateway.peers()).length).toBe(1)
  peer.channel.write(frameTypes.control, encodeControl({ type: 'subscriptions', add: ['news'], remove: [] }))
  await tell(peer, async () => framesOf(await strangers(sockets)))
  expect(counted(sockets)).toBeLessThan(tooMany)
})

test('what peers say in their hellos and leave in the lurch makes a gateway dial a neighbour a few times only', async () => {
  const gateway = await victim()
  const sockets = await neighbour()
  const until = performance.now() + windowMs
  while (performance.now() < until) {
    const [stranger] = await strangers(sockets.slice(0, 1))
    const multiaddrs = sockets.slice(0, 8).map(({ port }) => `/ip4/127.0.0.2/tcp/${port}/ws`)
    // Its peer id is made anew each time, so no back-off by peer id helps.
    const seed = crypto.getRandomValues(new Uint8Array(32))
    const { peerId } = await createMemoryIdentity(seed)
    using peer = await openLinkedPeer(webSocketUrl(await gateway.multiaddrs()), {
      seed,
      hello: { instance: stranger?.peerId ?? '', multiaddrs: multiaddrs.map((address) => `${address}/p2p/${peerId}`) },
    })
    await pause(100)
    peer.socket.close()
    await peer.closed
  }
  expect(counted(sockets)).toBeLessThan(tooMany)
})

test('a peer that is there is dialled on the word of a peer that has told many lies', async () => {
  const gateway = await victim()
  const sockets = await neighbour()
  const honest = await startedCustomEngine({ dialOwnHost: true })
  using peer = await openLinkedPeer(webSocketUrl(await gateway.multiaddrs()))
  await expect.poll(async () => (await gateway.peers()).length).toBe(1)
  for (let round = 0; round < 3; round++) {
    for (const stranger of await strangers(sockets)) {
      peer.channel.write(frameTypes.control, encodeControl({ type: 'forward-join', peer: stranger, hops: 0 }))
    }
  }
  const truth = { peerId: honest.peerId, multiaddrs: await honest.multiaddrs() }
  const told = async () => {
    peer.channel.write(frameTypes.control, encodeControl({ type: 'forward-join', peer: truth, hops: 0 }))
    return (await gateway.peers()).map(({ peerId }) => peerId)
  }
  await expect.poll(told, { timeout: 30_000, interval: 500 }).toContain(honest.peerId)
})
