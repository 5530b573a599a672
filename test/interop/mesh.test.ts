import { expect } from 'vitest'
import type { StreamClient } from '../fixtures/stream-client.ts'
import { cell } from './cell.ts'
import { countOf, numbered, paced } from './exchange.ts'
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

  const streams = [atFirst, atMiddle, atLast]
  const sendBoth = async (text: string) => await Promise.all([first, last].map(async (end) => await post(end, topic, [Buffer.from(text)])))
  // A peer forwards to its mesh only, and to nobody until the GRAFT has come, also when each knows who has joined.
  const opening = 'through a mesh that is whole'
  const origins = ({ messages }: StreamClient) => new Set(messages.filter(({ data }) => data === opening).map(({ from }) => from)).size
  async function reached(): Promise<number[]> {
    await sendBoth(opening)
    return streams.map(origins)
  }
  await expect.poll(reached, { interval: 100 }).toEqual([2, 2, 2])

  const dropped = async () => (await go.dropped()) + (await rust.dropped())
  const before = await dropped()
  const texts = numbered('through the others')
  await paced(texts, sendBoth)
  const wanted = new Set<unknown>(texts)
  for (const { messages } of streams) {
    const count = countOf(messages, ({ data }) => wanted.has(data))
    // What Go and Rust give up, they tell; a busy machine makes that more.
    await expect.poll(async () => count() + (await dropped()) - before).toBeGreaterThanOrEqual(2 * texts.length)
    expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length)
  }
  const lost = await dropped()
  return `1,000 of each end at 200/s, at every gateway${lost === 0 ? '' : `; Go and Rust gave up ${lost}`}`
})
