import { expect } from 'vitest'
import type { StreamClient } from '../fixtures/stream-client.ts'
import { cell } from './cell.ts'
import { numbered, paced } from './exchange.ts'
import { startPeer } from './foreign-peer.ts'
import { dialFrom, follow, listenOn, post, startGatewaySide, untilSubscribed } from './gateway-side.ts'

const topic = 'orders'
const listen = [listenOn.TCP]

/** gateway – Go – gateway – Rust – gateway: nobody knows anybody but its neighbours. */
cell({ kinds: ['go', 'rust'], peer: 'Go and Rust', name: 'between three gateways, forwarding' }, async () => {
  const startGateway = () => startGatewaySide({ PEERGATE_LISTEN: listenOn.TCP, PEERGATE_HISTORY: 'false' })
  const [first, middle, last] = await Promise.all([startGateway(), startGateway(), startGateway()])
  const [go, rust] = await Promise.all([startPeer('go', { listen }), startPeer('rust', { listen })])
  const links = [
    [first, go],
    [middle, go],
    [middle, rust],
    [last, rust],
  ] as const
  for (const [gateway, peer] of links) await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  await Promise.all([go.subscribe(topic), rust.subscribe(topic)])
  const [atFirst, atMiddle, atLast] = [await follow(first, topic), await follow(middle, topic), await follow(last, topic)]
  await untilSubscribed(first, topic, 1)
  await untilSubscribed(middle, topic, 2)
  await untilSubscribed(last, topic, 1)
  await expect.poll(async () => (await go.subscribers(topic)).length).toBe(2)
  await expect.poll(async () => (await rust.subscribers(topic)).length).toBe(2)

  const texts = numbered('through the others')
  await Promise.all([
    paced(texts, async (text) => await post(first, topic, [Buffer.from(text)])),
    paced(texts, async (text) => await post(last, topic, [Buffer.from(text)])),
  ])
  // What Go gives up, it tells; a busy machine makes that more.
  const arrived = async (stream: StreamClient) => stream.messages.length + (await go.dropped())
  for (const stream of [atFirst, atMiddle, atLast]) {
    await expect.poll(() => arrived(stream)).toBeGreaterThanOrEqual(2 * texts.length)
    expect(new Set(stream.messages.map(({ id }) => id)).size).toBe(stream.messages.length)
  }
  const dropped = await go.dropped()
  return `1,000 of each end at 200/s, at every gateway${dropped === 0 ? '' : `; ${dropped} found a queue of Go full`}`
})
