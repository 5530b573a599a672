import { expect } from 'vitest'
import { cell } from './cell.ts'
import { heard, joinBoth, numbered } from './exchange.ts'
import { startPeer } from './foreign-peer.ts'
import { dialFrom, listenOn, post, startGatewaySide } from './gateway-side.ts'
import { gossipCells } from './gossip-cells.ts'

/** The library takes RPCs of 65,536 bytes; some of them stand around the data. */
const largestBytes = 65_000

gossipCells({ kind: 'rust', transports: ['TCP', 'QUIC', 'WebSocket'], largestBytes, start: (listen) => startPeer('rust', { listen }) })

cell({ kinds: ['rust'], name: 'messages before and after one that it does not take' }, async () => {
  const listen = listenOn.TCP
  const [gateway, peer] = await Promise.all([startGatewaySide({ PEERGATE_LISTEN: listen }), startPeer('rust', { listen: [listen] })])
  await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  const pair = await joinBoth(gateway, peer, 'orders')
  const texts = numbered('text', 100)
  const tooLarge = Buffer.alloc(70_000)
  await post(gateway, 'orders', texts.slice(0, 40).map(bytesOf))
  await post(gateway, 'orders', [tooLarge])
  // Some are written to the stream that the peer does not read any further.
  for (const text of texts.slice(40, 60)) await post(gateway, 'orders', [bytesOf(text)])
  await expect.poll(() => heard(pair, texts).length).toBe(60)
  expect(await post(gateway, 'orders', [tooLarge])).toMatchObject([{ recipients: 0 }])
  await post(gateway, 'orders', texts.slice(60).map(bytesOf))
  await expect.poll(() => heard(pair, texts).length).toBe(100)
  expect(heard(pair, texts)).toEqual(texts)
  return '100 of 100, and the publisher is told that the peer does not take another'
})

// Beside an RPC it counts up to 8 KiB of the next against what it takes.
cell({ kinds: ['rust'], name: 'messages that nearly fill what it takes, one after another' }, async () => {
  const listen = listenOn.TCP
  const [gateway, peer] = await Promise.all([startGatewaySide({ PEERGATE_LISTEN: listen }), startPeer('rust', { listen: [listen] })])
  await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  const pair = await joinBoth(gateway, peer, 'orders')
  const sizes = { quarter: 14_700, whole: largestBytes - 2_000 }
  const texts = [...numbered('quarter', 400), ...numbered('whole', 20)]
  const sized = texts.map((text) => bytesOf(text.padEnd(text.startsWith('whole') ? sizes.whole : sizes.quarter, '.')))
  for (let at = 0; at < sized.length; at += 10) await post(gateway, 'orders', sized.slice(at, at + 10))
  await expect.poll(() => peer.heard.length).toBe(texts.length)
  expect(pair.peer.heard.map(({ data }) => `${data}`.replaceAll('.', ''))).toEqual(texts)
  return '420 of 420, in order'
})

cell({ kinds: ['rust'], name: 'a hundred topics with the longest names' }, async () => {
  const listen = listenOn.TCP
  const [gateway, peer] = await Promise.all([startGatewaySide({ PEERGATE_LISTEN: listen }), startPeer('rust', { listen: [listen] })])
  const topics = numbered('topic', 100).map((name) => name.padEnd(256, '.'))
  for (const topic of topics) expect((await gateway.rest.call('PUT', `/v1/topics/${encodeURIComponent(topic)}`)).status).toBeLessThan(300)
  await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  for (const topic of topics) await expect.poll(() => peer.subscribers(topic)).toEqual([gateway.process.peerId])
  return 'all 100 are known'
})

const bytesOf = (text: string) => Buffer.from(text)
