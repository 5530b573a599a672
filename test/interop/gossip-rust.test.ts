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

const bytesOf = (text: string) => Buffer.from(text)
