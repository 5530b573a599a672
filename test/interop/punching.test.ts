import { expect } from 'vitest'
import type { Peer } from '../../src/model/peer.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import { createRoutedNetwork } from '../fixtures/routed-network.ts'
import { type Place, startHidden, startReaders, startRelay } from '../fixtures/routed-pair.ts'
import type { PeerKind } from './built-peers.ts'
import { cell } from './cell.ts'
import { ofQueue, paced } from './exchange.ts'
import { type DrivenPeer, startPeer } from './foreign-peer.ts'

interface Punched {
  readonly kind: PeerKind
  /** Who dials the other through the relay. The one that is dialled begins to punch. */
  readonly dialler: 'gateway' | 'peer'
  /** Whether the routers keep the two apart until messages go over the relay. */
  readonly apart: boolean
  /** By what the hole is punched; with QUIC the routers let no TCP through. */
  readonly over: 'tcp' | 'quic'
}

const topic = 'through the routers'
const onDemand = 'On a busy machine one of twelve found no direct connection to Go in three minutes, over TCP; why is not known yet.'
const texts = Array.from({ length: 100 }, (_, number) => `${number}`)

async function connect({ under, url, peerId }: Place, peer: DrivenPeer, relay: string, dialler: Punched['dialler']): Promise<void> {
  if (dialler === 'peer') return await peer.dial(`${relay}/p2p-circuit/p2p/${peerId}`)
  const body = JSON.stringify({ multiaddr: `${relay}/p2p-circuit/p2p/${peer.peerId}` })
  const { output } = await inside(under, 'post', `${url}/v1/peers`, body).ended
  expect(JSON.parse(output)).toMatchObject({ status: 201 })
}

async function untilJoined({ under, url, peerId }: Place, peer: DrivenPeer): Promise<void> {
  const view = `${url}/v1/topics/${encodeURIComponent(topic)}`
  await expect.poll(async () => (await getInside<{ subscribers: number }>(under, view)).subscribers).toBe(1)
  await expect.poll(() => peer.subscribers(topic)).toContain(peerId)
}

/** The path that the gateway uses, and of each connection of the peer whether it goes through the relay. */
async function pathsOf({ under, url, peerId }: Place, peer: DrivenPeer): Promise<{ path: string | null | undefined; relayed: boolean[] }> {
  const { path } = await getInside<Partial<Peer>>(under, `${url}/v1/peers/${peer.peerId}`)
  return { path, relayed: await peer.relayed(peerId) }
}

function punched({ kind, dialler, apart, over }: Punched): void {
  const what = over === 'tcp' ? 'a hole through routers' : 'a hole for QUIC through routers that let no TCP through'
  const name = `${what}, where the ${dialler} had dialled through a relay`
  cell({ kinds: [kind], name, routed: true, onDemand }, async () => {
    const network = await createRoutedNetwork(['port-restricted', 'port-restricted'])
    const quic = over === 'quic'
    const relay = await startRelay('libp2p', network, { quic })
    const listen = ['/ip4/0.0.0.0/tcp/4001', ...(quic ? ['/ip4/0.0.0.0/udp/4001/quic-v1'] : [])]
    const [gateway, peer] = await Promise.all([
      startHidden('libp2p', network, 0, [relay], { quic }),
      startPeer(kind, { listen, punch: true }, network.hosts[1]),
    ])
    // The gateway has dialled the relay over TCP.
    await peer.reserve(quic ? relay.overQuic : relay.multiaddr)
    if (quic) await network.part(1, 0, 'tcp')
    const readers = await startReaders([gateway])
    await peer.subscribe(topic)
    if (apart) await network.part(0, 1, quic ? undefined : 'tcp')
    await connect(gateway, peer, relay.multiaddr, dialler)
    await untilJoined(gateway, peer)

    let rounds = 0
    async function publish(): Promise<void> {
      rounds++
      await Promise.all([readers.publish(), paced(texts, async (text) => await peer.publish(topic, [Buffer.from(text)]))])
    }
    await publish()
    if (apart) expect(await pathsOf(gateway, peer)).toEqual({ path: 'relay', relayed: [true] })
    await network.mend(0)
    do await publish()
    while ((await pathsOf(gateway, peer)).path === 'relay')
    await expect.poll(() => pathsOf(gateway, peer)).toEqual({ path: over, relayed: [false] })
    await publish()
    const all = Array.from({ length: texts.length * rounds }, (_, index) => `${Math.floor(index / rounds)}`)
    const heard = () => peer.heard.map(({ data }) => `${data}`).toSorted((one, other) => Number(one) - Number(other))
    await expect.poll(heard).toEqual(all)
    const received = () => readers.received(0)
    await expect.poll(async () => received().length + (await peer.dropped())).toBe(all.length)
    for (const text of texts) expect(received().filter((one) => one === text).length).toBeLessThanOrEqual(rounds)
    return `a direct connection at both ends, and every message each way once${apart ? ', over the relay, meanwhile and then' : ''}${ofQueue(await peer.dropped())}`
  })
}

punched({ kind: 'go', dialler: 'gateway', apart: true, over: 'tcp' })
punched({ kind: 'go', dialler: 'peer', apart: true, over: 'tcp' })
punched({ kind: 'go', dialler: 'gateway', apart: true, over: 'quic' })
punched({ kind: 'go', dialler: 'peer', apart: true, over: 'quic' })
// Its second attempt meets what its first one left in its router, and fails.
punched({ kind: 'rust', dialler: 'gateway', apart: false, over: 'tcp' })
punched({ kind: 'rust', dialler: 'peer', apart: true, over: 'tcp' })
punched({ kind: 'rust', dialler: 'gateway', apart: false, over: 'quic' })
punched({ kind: 'rust', dialler: 'peer', apart: true, over: 'quic' })
