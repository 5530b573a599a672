import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { publishShare } from '../fixtures/migration-clients.ts'
import { type MovingGateway, movingGateway } from '../fixtures/moving-gateway.ts'
import { byLength } from '../fixtures/test-length.ts'
import type { PeerKind } from './built-peers.ts'
import { cell } from './cell.ts'
import { overtakenShare } from './exchange.ts'
import { type ForeignPeer, startPeer } from './foreign-peer.ts'
import { startKubo } from './kubo.ts'

const topic = 'orders'
const patiently = { timeout: byLength({ gate: 60_000, full: 600_000 }), interval: 50 }
const env = { PEERGATE_DHT: 'false' }
/** Of each gateway. */
const share = byLength({ gate: 200, full: 2_500 })
const kills = byLength({ gate: 3, full: 20 })
/** The peer takes fewer messages a second than gateways publish: they do not get further ahead of it than this. */
const window = 250
/** At each gateway. */
const publishers = byLength({ gate: 1, full: 4 })

const listen = ['/ip4/127.0.0.1/tcp/0']
const start = (kind: PeerKind): Promise<ForeignPeer> => (kind === 'kubo' ? startKubo({ listen }) : startPeer(kind, { listen }))

/** Keeps the peer linked to each gateway that is on its network. */
function keepLinked(peer: ForeignPeer, gateways: MovingGateway[]): void {
  const dial = async () => {
    for (const gateway of gateways)
      if (gateway.node !== undefined && gateway.node !== 'custom') await peer.dial(gateway.address('libp2p')).catch(() => undefined)
  }
  const over = new AbortController()
  const dialling = (async () => {
    for (; !over.signal.aborted; await sleep(250)) await dial()
  })()
  onTestFinished(async () => {
    over.abort()
    await dialling
  })
}

/** Two gateways of each network change places while they publish, between two bridges of which one is killed. */
function migrationCell(kind: PeerKind): void {
  cell(
    {
      kinds: [kind],
      name: 'it follows gateways of two networks that change places, through bridges of which one is killed',
      timeout: byLength({ gate: 180_000, full: 900_000 }),
    },
    async () => {
      const [dying, steady, ...leaves] = await Promise.all(Array.from({ length: 6 }, () => movingGateway(env)))
      if (dying === undefined || steady === undefined) throw new Error('no bridges')
      const peer = await start(kind)
      await dying.start('both')
      await steady.start('both', [dying])
      for (const [index, leaf] of leaves.entries()) {
        await leaf.start(index < 2 ? 'custom' : 'libp2p', [dying, steady])
        expect((await leaf.rest.call('PUT', `/v1/topics/${topic}`, {})).status).toBeLessThan(300)
      }
      await peer.subscribe(topic)
      keepLinked(peer, [dying, steady, ...leaves])
      await expect.poll(() => peer.subscribers(topic)).toContain(steady.peerId)
      const subscribers = ({ rest }: MovingGateway) =>
        rest.get<{ subscribers: number }>(`/v1/topics/${topic}`).then((view) => view.subscribers)
      for (const leaf of leaves) await expect.poll(() => subscribers(leaf)).toBeGreaterThanOrEqual(2)

      const over = new AbortController()
      onTestFinished(() => over.abort())
      const total = share * leaves.length
      let published = 0
      let moved = 0
      let killed = 0
      /** Each kill and each move comes while messages are published, however few there are. */
      const onPublished = async () => {
        published++
        const isAhead = (done: number, of: number) => done < of && published > ((done + 1) * total) / (of + 1)
        while ((isAhead(moved, leaves.length) || isAhead(killed, kills) || published - peer.heard.length > window) && !over.signal.aborted)
          await sleep(20)
      }
      const shareOf = (leaf: MovingGateway, name: string) =>
        publishShare(leaf, { name, topic, messages: share / publishers, onPublished, signal: over.signal })
      const publishing = leaves.flatMap((leaf, index) =>
        Array.from({ length: publishers }, (_, place) => shareOf(leaf, `${index}.${place}`)),
      )
      const killing = async () => {
        for (; killed < kills; killed++) {
          await expect.poll(() => published, patiently).toBeGreaterThan(((killed + 0.5) * total) / (kills + 1))
          await dying.end('SIGKILL')
          await dying.start('both', [steady, ...leaves])
        }
      }
      const moving = async () => {
        for (const [index, leaf] of leaves.entries()) {
          await expect.poll(() => published, patiently).toBeGreaterThan(((index + 0.5) * total) / (leaves.length + 1))
          await leaf.end('SIGTERM')
          await leaf.start(leaf.node === 'custom' ? 'libp2p' : 'custom', [dying, steady])
          moved++
        }
      }
      await Promise.all([...publishing, killing(), moving()])

      const names = leaves.flatMap((leaf, index) => Array.from({ length: publishers }, (_, place) => `${leaf.peerId} ${index}.${place}`))
      const texts = names.flatMap((name) => Array.from({ length: share / publishers }, (_, number) => `${name}/${number}`))
      const heard = () => peer.heard.filter((message) => message.topic === topic).map(({ from, data }) => `${from} ${data}`)
      const missing = () => new Set(texts).difference(new Set(heard())).size
      await expect.poll(missing, patiently).toBeLessThanOrEqual(peer.ignoresOvertaken ? texts.length * overtakenShare : 0)
      // What has not come before a later one of its author will not come.
      for (const { rest } of leaves) await rest.publish(topic, 'the last')
      const isLast = (text: string) => text.endsWith(' the last')
      await expect.poll(() => heard().filter(isLast).length).toBe(leaves.length)
      expect(heard().filter((text) => !texts.includes(text) && !isLast(text))).toEqual([])
      expect(heard().length).toBe(new Set(heard()).size)
      const ignored = missing() === 0 ? '' : `; ${missing()} were overtaken within the peer, which then ignored them`
      return `${texts.length - missing()} of ${texts.length}, each once${ignored}`
    },
  )
}

for (const kind of ['go', 'kubo'] as const) migrationCell(kind)
