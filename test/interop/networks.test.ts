import { randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createIPNSRecord, marshalIPNSRecord, unmarshalIPNSRecord } from 'ipns'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect } from 'vitest'
import { cell } from './cell.ts'
import { exchange, joinBoth } from './exchange.ts'
import { startPeer } from './foreign-peer.ts'
import { dialFrom, type GatewaySide, listenOn, startGatewaySide } from './gateway-side.ts'
import { startKubo } from './kubo.ts'

const topic = 'orders'
const listen = [listenOn.TCP]

/** The code of raw blocks: https://github.com/multiformats/multicodec */
const raw = 0x55

/** Who takes part in the DHT of the local network, and believes addresses of this host. */
const inDht = { PEERGATE_LISTEN: listenOn.TCP, PEERGATE_DHT: 'lan', PEERGATE_DIAL: 'host' }

async function randomCid(): Promise<string> {
  return CID.createV1(raw, await sha256.digest(randomBytes(32))).toString()
}

async function providersAt({ rest }: GatewaySide, cid: string): Promise<string[]> {
  const { items } = await rest.get<{ items: { peerId: string }[] }>(`/v1/dht/providers/${cid}?timeoutMs=5000`)
  return items.map(({ peerId }) => peerId)
}

async function provideAt({ rest }: GatewaySide, cid: string): Promise<void> {
  // Until it has learnt that the peer is of the DHT, there is nobody to tell.
  await expect.poll(async () => (await rest.call('POST', `/v1/dht/providers/${cid}?timeoutMs=5000`)).status).toBe(204)
}

cell({ kinds: ['go'], name: 'content in the DHT of the local network' }, async () => {
  const [gateway, peer] = await Promise.all([startGatewaySide(inDht), startPeer('go', { listen, dht: true })])
  await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  const [ofGateway, ofPeer] = [await randomCid(), await randomCid()]
  await provideAt(gateway, ofGateway)
  await expect.poll(() => peer.findProviders(ofGateway)).toContain(gateway.process.peerId)
  await expect.poll(() => peer.provide(ofPeer).then(() => 'told', String)).toBe('told')
  await expect.poll(() => providersAt(gateway, ofPeer)).toContain(peer.peerId)
  return 'provided and found each way'
})

cell({ kinds: ['kubo'], name: 'content in the DHT of the local network', alone: true }, async () => {
  const [gateway, peer] = await Promise.all([startGatewaySide(inDht), startKubo({ listen })])
  await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  const ofGateway = await randomCid()
  await provideAt(gateway, ofGateway)
  await expect.poll(() => peer.findProviders(ofGateway)).toContain(gateway.process.peerId)
  const ofPeer = await peer.provide(randomBytes(32))
  await expect.poll(() => providersAt(gateway, ofPeer)).toContain(peer.peerId)
  return 'provided and found each way'
})

cell({ kinds: ['kubo'], name: 'the Delegated Routing API in place of a DHT', alone: true }, async () => {
  const [gateway, provider] = await Promise.all([startGatewaySide(inDht), startGatewaySide(inDht)])
  await dialFrom(gateway, provider.process.multiaddrs[0] ?? '')
  const cid = await randomCid()
  await provideAt(provider, cid)
  const [peer, reader] = await Promise.all([1, 2].map(() => startKubo({ listen, router: gateway.process.url })))
  if (peer === undefined || reader === undefined) throw new Error('two of them were started')
  expect(await peer.findProviders(cid)).toEqual([provider.process.peerId])
  expect((await peer.findPeer(provider.process.peerId)).length).toBeGreaterThan(0)
  const path = `/ipfs/${cid}`
  await peer.publishName(path)
  expect(await reader.resolveName(peer.peerId)).toBe(path)
  return 'found a provider and a peer; a name published by one and resolved by another'
})

cell({ kinds: ['kubo'], name: 'names of IPNS', alone: true }, async () => {
  const [gateway, peer] = await Promise.all([startGatewaySide(inDht), startKubo({ listen })])
  await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  const path = `/ipfs/${await randomCid()}`

  await peer.publishName(path)
  const key = encodeURIComponent(`/ipns/${peer.peerId}`)
  const read = async () => await gateway.rest.call<{ data?: string }>('GET', `/v1/dht/values?key=${key}&encoding=base64&timeoutMs=5000`)
  await expect.poll(async () => (await read()).status).toBe(200)
  const { data = '' } = (await read()).body
  expect(unmarshalIPNSRecord(Buffer.from(data, 'base64')).value).toBe(path)

  const author = await generateKeyPair('Ed25519')
  const name = peerIdFromPrivateKey(author).toString()
  const record = marshalIPNSRecord(await createIPNSRecord(author, path, 1n, 3_600_000))
  const put = { data: Buffer.from(record).toString('base64'), encoding: 'base64' }
  const namePath = `/v1/dht/values?key=${encodeURIComponent(`/ipns/${name}`)}`
  await expect.poll(async () => (await gateway.rest.call('PUT', namePath, put)).status).toBe(200)
  expect(await peer.resolveName(name)).toBe(path)
  return 'published and resolved each way'
})

for (const kind of ['go', 'kubo'] as const) {
  cell({ kinds: [kind], name: 'messages in a private network', alone: kind === 'kubo' }, async () => {
    const privateNetworkKey = randomBytes(32).toString('hex')
    const start = kind === 'go' ? startPeer('go', { listen, privateNetworkKey }) : startKubo({ listen, privateNetworkKey })
    const [gateway, stranger, peer] = await Promise.all([
      startGatewaySide({ PEERGATE_LISTEN: listenOn.TCP, PEERGATE_PRIVATE_NETWORK_KEY: privateNetworkKey }),
      startGatewaySide({ PEERGATE_LISTEN: listenOn.TCP }),
      start,
    ])
    const address = peer.multiaddrs[0] ?? ''
    expect(await stranger.rest.call('POST', '/v1/peers', { multiaddr: address })).toMatchObject({ body: { code: 'dial_failed' } })
    await dialFrom(gateway, address)
    return `${await exchange(await joinBoth(gateway, peer, topic))}; nothing without the key`
  })
}

cell({ kinds: ['go'], name: 'found by mDNS', alone: true }, async () => {
  const everywhere = '/ip4/0.0.0.0/tcp/0'
  const gateway = await startGatewaySide({ PEERGATE_LISTEN: everywhere, PEERGATE_MDNS: 'true', PEERGATE_DIAL: 'host' })
  const peer = await startPeer('go', { listen: [everywhere], mdns: true })
  return await exchange(await joinBoth(gateway, peer, topic))
})
