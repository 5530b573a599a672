import { expect, onTestFinished } from 'vitest'
import { type MovingGateway, movingGateway } from '../fixtures/moving-gateway.ts'
import { openStream } from '../fixtures/stream-client.ts'
import type { PeerKind } from './built-peers.ts'
import { cell } from './cell.ts'
import { numbered, overtakenShare, paced } from './exchange.ts'
import { type ForeignPeer, startPeer } from './foreign-peer.ts'
import { startKubo } from './kubo.ts'

const topic = 'orders'
const env = { PEERGATE_DHT: 'false' }
const perWay = 500

const listen = ['/ip4/127.0.0.1/tcp/0']
const start = (kind: PeerKind): Promise<ForeignPeer> => (kind === 'kubo' ? startKubo({ listen }) : startPeer(kind, { listen }))

async function publish({ rest }: MovingGateway, texts: string[]): Promise<void> {
  await paced(texts, (text) => rest.publish(topic, text))
}

function textsOf(peer: ForeignPeer, author: MovingGateway, word: string): string[] {
  const ofAuthor = peer.heard.filter((message) => message.topic === topic && message.from === author.peerId)
  return ofAuthor.map(({ data }) => data.toString()).filter((text) => text.startsWith(word))
}

/**
 * Waits until the peer has heard the texts of a gateway, each once; but for a few if it may ignore some. What has not come before a later one will
 * not come.
 * @returns how many it has not
 */
async function untilHeard(peer: ForeignPeer, author: MovingGateway, word: string, texts: string[]): Promise<number> {
  const missing = () => texts.length - textsOf(peer, author, word).length
  await expect.poll(missing).toBeLessThanOrEqual(peer.ignoresOvertaken ? texts.length * overtakenShare : 0)
  if (peer.ignoresOvertaken) {
    await publish(author, [`the last ${word}`])
    await expect.poll(() => textsOf(peer, author, `the last ${word}`).length).toBe(1)
  }
  const heard = textsOf(peer, author, word)
  expect(heard.length).toBe(new Set(heard).size)
  return missing()
}

/** A gateway of the custom network that knows the foreign peer only through a bridge, and moves to its network. */
function bridgeCell(kind: PeerKind): void {
  cell({ kinds: [kind], name: 'a gateway of the custom network reaches it through a bridge, then moves to libp2p' }, async () => {
    const [bridge, gateway, peer] = [await movingGateway(env), await movingGateway(env), await start(kind)]
    await bridge.start('both')
    await gateway.start('custom', [bridge])
    await peer.dial(bridge.address('libp2p'))
    await peer.subscribe(topic)
    const stream = await openStream(gateway.url, { query: `?topic=${topic}` })
    onTestFinished(() => stream[Symbol.asyncDispose]())
    await stream.expect('caught-up')
    await expect.poll(() => peer.subscribers(topic)).toContain(bridge.peerId)
    const subscribers = async () => (await gateway.rest.get(`/v1/topics/${topic}`))['subscribers']
    await expect.poll(subscribers).toBe(1)

    const [before, back, after] = ['before', 'back', 'after'].map((word) => numbered(word, perWay))
    if (before === undefined || back === undefined || after === undefined) throw new Error('no texts')
    const toPeer = publish(gateway, before)
    await Promise.all([toPeer, paced(back, (text) => peer.publish(topic, [Buffer.from(text)]))])
    let ignored = await untilHeard(peer, gateway, 'before', before)
    const received = () => stream.messages.filter(({ from }) => from === peer.peerId).map(({ data }) => String(data))
    await expect.poll(async () => received().length + (await peer.dropped())).toBe(back.length)
    expect(new Set(received()).size).toBe(received().length)

    expect(await gateway.end('SIGTERM')).toBe(0)
    await gateway.start('libp2p', [bridge])
    await expect.poll(subscribers).toBeGreaterThanOrEqual(1)
    await publish(gateway, after)
    ignored += await untilHeard(peer, gateway, 'after', after)
    const dropped = await peer.dropped()
    const unsent = dropped === 0 ? '' : `; ${dropped} of its own found the peer's queue to the bridge full`
    return `${before.length + after.length - ignored} of ${before.length + after.length}, and ${received().length} of ${back.length} the other way${unsent}`
  })
}

for (const kind of ['go', 'kubo', 'rust', 'python'] as const) bridgeCell(kind)
