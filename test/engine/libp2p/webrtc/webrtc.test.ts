import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'
import { stockNode } from '../../../fixtures/stock-node.ts'
import { stunRequest } from '../../../fixtures/stun-request.ts'
import { echoOver, hiddenGateway, patience, relayForTest } from '../../../fixtures/webrtc-network.ts'

const timeout = 60_000
const relayedAddress = (addresses: string[]) => addresses.find((address) => address.includes('/p2p-circuit/p2p/')) ?? ''

test('a stock js-libp2p node reaches a hidden gateway by WebRTC, without a server of others', { timeout }, async () => {
  const relay = await relayForTest()
  const { engine, address } = await hiddenGateway(relay)
  const stock = await stockNode({ webRtc: true, listen: [] })
  const connection = await stock.dial(multiaddr(address), { signal: AbortSignal.timeout(20_000) })
  expect(connection).toMatchObject({ direct: true, remotePeer: peerIdFromString(engine.peerId) })
  expect(Buffer.compare(await echoOver(connection, 1_000_000), Buffer.alloc(1_000_000, 'x'))).toBe(0)
  expect(await engine.peers()).toContainEqual(
    expect.objectContaining({ peerId: stock.peerId.toString(), path: expect.objectContaining({ by: 'webrtc' }) }),
  )
  await expect.poll(() => engine.networks[0]?.reachCounts.punches.udp, patience).toEqual({ succeeded: 1, failed: 0 })
  // Its end is noticed here, too.
  for (const each of stock.getConnections(peerIdFromString(engine.peerId))) each.abort(new Error('the test is over'))
  await expect.poll(async () => (await engine.peers()).length, patience).toBe(1)
})

test('a gateway that reaches a peer through a relay opens a WebRTC connection to it', { timeout }, async () => {
  const relay = await relayForTest()
  const stock = await stockNode({ webRtc: true, listen: ['/p2p-circuit', '/webrtc'] })
  await stock.dial(multiaddr(relay))
  await expect.poll(() => relayedAddress(stock.getMultiaddrs().map(String)), patience).not.toBe('')
  const { engine } = await hiddenGateway(relay)
  const peerId = stock.peerId.toString()
  expect(
    await engine.dial(relayedAddress(stock.getMultiaddrs().map(String)), { source: 'rest', signal: AbortSignal.timeout(20_000) }),
  ).toMatchObject({ path: { by: 'relay' } })
  await expect
    .poll(() => engine.peers(), patience)
    .toContainEqual(expect.objectContaining({ peerId, path: expect.objectContaining({ by: 'webrtc' }) }))
  // On a busy machine an attempt may fail before one succeeds.
  await expect.poll(() => engine.networks[0]?.reachCounts.punches.udp.succeeded, patience).toBe(1)
})

test('a peer returns more often than it has places, since the end of a connection frees its place', { timeout }, async () => {
  const { engine, address } = await hiddenGateway(await relayForTest())
  const stock = await stockNode({ webRtc: true, listen: [] })
  for (let times = 0; times < 3; times++) {
    const connection = await stock.dial(multiaddr(address), { signal: AbortSignal.timeout(20_000) })
    expect(connection.direct).toBe(true)
    for (const each of stock.getConnections(peerIdFromString(engine.peerId))) each.abort(new Error('the peer goes'))
    await expect.poll(async () => (await engine.peers()).length, patience).toBe(1)
  }
})

test.for(['hangUp', 'block'] as const)('%s ends a WebRTC connection', { timeout }, async (way) => {
  const { engine, address } = await hiddenGateway(await relayForTest())
  const stock = await stockNode({ webRtc: true, listen: [] })
  const connection = await stock.dial(multiaddr(address), { signal: AbortSignal.timeout(20_000) })
  await engine.subscribe('orders')
  stock.services.pubsub.subscribe('orders')
  await expect.poll(() => engine.subscribers('orders'), patience).toEqual([stock.peerId.toString()])
  await engine[way](stock.peerId.toString())
  expect((await engine.peers()).map(({ peerId }) => peerId)).not.toContain(stock.peerId.toString())
  await expect.poll(() => connection.status, patience).not.toBe('open')
})

test('a gateway tells peers the port of its STUN server, which says where their packets come from', { timeout }, async () => {
  const relay = await relayForTest()
  const { engine } = await hiddenGateway(relay)
  const options = { signal: AbortSignal.timeout(20_000), maxAnswerBytes: 2 }
  const relayId = relay.split('/p2p/')[1] ?? ''
  const ask = () => engine.request(relayId, '/peergate/stun/1.0.0', new Uint8Array(), options)
  const port = Buffer.from(await vi.waitFor(ask, patience)).readUInt16BE()
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  const answered = once(socket, 'message')
  socket.send(stunRequest, port, '127.0.0.1')
  const [answer]: Buffer[] = await answered
  expect((answer?.readUInt16BE(26) ?? 0) ^ 0x2112).toBe(socket.address().port)
})

test('without the setting a gateway has nothing of WebRTC', { timeout }, async () => {
  const engine = await startedLibp2pEngine({ listen: ['/p2p-circuit', '/ip4/127.0.0.1/tcp/0'] })
  const stock = await stockNode()
  const [address = ''] = await engine.multiaddrs()
  const identified = Promise.withResolvers<string[]>()
  stock.addEventListener('peer:identify', ({ detail }) => identified.resolve(detail.protocols))
  await stock.dial(multiaddr(address))
  const protocols = await identified.promise
  expect(protocols).toContain('/ipfs/id/1.0.0')
  expect(protocols.filter((protocol) => /webrtc|stun/.test(protocol))).toEqual([])
  expect(engine.capabilities.transports).not.toContain('webrtc')
})
