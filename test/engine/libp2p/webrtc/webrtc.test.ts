import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { stockNode } from '../../../fixtures/stock-node.ts'
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
})
