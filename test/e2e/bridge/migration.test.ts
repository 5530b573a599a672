import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { messageId, sequenceBytes } from '../../../src/model/signed-message.ts'
import { faultsOf, lateOf, noFaults, publishShare, someOf, startFollower, unsignedOf } from '../../fixtures/migration-clients.ts'
import { type MovingGateway, movingGateway } from '../../fixtures/moving-gateway.ts'
import { keepOutput } from '../../fixtures/recent-output.ts'
import { stockNode } from '../../fixtures/stock-node.ts'
import { byLength } from '../../fixtures/test-length.ts'

const topic = 'orders'
const messages = byLength({ gate: 2_000, full: 10_000 })
const kills = 20
/** At each gateway. */
const publishers = 4

/** For what takes a busy machine long, and one that is not some seconds. */
const patiently = { timeout: 120_000, interval: 500 }

async function stockSubscriber(gateways: MovingGateway[]) {
  const node = await stockNode()
  const ids = new Set<string>()
  node.services.pubsub.addEventListener('message', ({ detail }) => {
    if (detail.type !== 'signed') throw new Error('an unsigned message')
    ids.add(messageId(detail.from.toString(), sequenceBytes(detail.sequenceNumber)))
  })
  node.services.pubsub.subscribe(topic)
  const dial = setInterval(() => {
    for (const gateway of gateways)
      if (gateway.node !== 'custom') void node.dial(multiaddr(gateway.address('libp2p'))).catch(() => undefined)
  }, 250)
  onTestFinished(() => clearInterval(dial))
  return ids
}

const subscribersAt = async ({ rest }: MovingGateway) =>
  (await rest.get<{ items: unknown[] }>(`/v1/peers?topic=${topic}&state=connected`)).items.length

/** What happened when, which a failing test shows. */
function createStory(): (event: string) => void {
  const lines: string[] = []
  const output = keepOutput('the migration', lines)
  onTestFinished(() => {
    output.ended = true
  })
  return (event) => lines.push(`${new Date().toISOString()} ${event}`)
}

test(`two networks become one and change places under load: ${messages} messages reach every follower, each once`, async () => {
  const tell = createStory()
  const [dying, steady, ...leaves] = await Promise.all(Array.from({ length: 8 }, () => movingGateway()))
  if (dying === undefined || steady === undefined) throw new Error('no bridges')
  await dying.start('both')
  await steady.start('both', [dying])
  for (const [index, leaf] of leaves.entries()) {
    await leaf.start(index < 3 ? 'custom' : 'libp2p', [dying, steady, ...leaves.slice(0, index)])
    expect((await leaf.rest.call('PUT', `/v1/topics/${topic}`, {})).status).toBeLessThan(300)
  }
  tell('all have started')
  const stock = await stockSubscriber([dying, steady, ...leaves])
  const followers = [
    startFollower(steady, { name: 'at the bridge', topic }),
    ...leaves.map((leaf, index) => startFollower(leaf, { name: `at leaf ${index}`, topic })),
  ]
  for (const leaf of leaves) await expect.poll(() => subscribersAt(leaf), patiently).toBeGreaterThanOrEqual(2)
  await expect.poll(() => subscribersAt(steady), patiently).toBe(leaves.length + 2)
  tell('all are linked')

  const over = new AbortController()
  onTestFinished(() => over.abort())
  let published = 0
  let killed = 0
  // Each kill comes while messages are published, however few there are.
  const keepPace = async () => {
    published++
    while (published > (messages * (killed + 1)) / kills && killed < kills - 1 && !over.signal.aborted) await sleep(20)
  }
  const share = Math.ceil(messages / leaves.length / publishers)
  const shareOf = (leaf: MovingGateway, name: string) =>
    publishShare(leaf, { name, topic, messages: share, onPublished: keepPace, signal: over.signal })
  const publishing = leaves.flatMap((leaf, index) => Array.from({ length: publishers }, (_, place) => shareOf(leaf, `${index}.${place}`)))
  const killing = async () => {
    for (; killed < kills; killed++) {
      await sleep(300)
      tell(`kill ${killed + 1}, ${published} published`)
      await dying.end('SIGKILL')
      await dying.start('both', [steady, ...leaves])
    }
  }
  const moving = async () => {
    for (const [index, leaf] of leaves.entries()) {
      const begun = (messages * (index + 1)) / (leaves.length + 2)
      await expect.poll(() => published, { timeout: 300_000, interval: 50 }).toBeGreaterThan(begun)
      tell(`leaf ${index} leaves ${leaf.node}, ${published} published`)
      await leaf.end('SIGTERM')
      await leaf.start(leaf.node === 'custom' ? 'libp2p' : 'custom', [dying, steady, ...leaves.filter((other) => other !== leaf)])
    }
  }
  const [shares] = await Promise.all([Promise.all(publishing), killing(), moving()])
  tell('everything is published')
  const ids = new Set(shares.flat())
  expect(ids.size).toBe(share * publishers * leaves.length)

  const faults = () => followers.map((follower) => faultsOf(follower, ids))
  await expect.poll(faults, patiently).toEqual(followers.map(noFaults))
  for (const follower of followers) tell(`${lateOf(follower)} came after later ones of their author ${follower.name}`)
  await expect.poll(() => someOf(ids.difference(stock)), patiently).toEqual([])
  for (const follower of followers) expect(await unsignedOf(follower), follower.name).toEqual([])
  // Also what came late came once.
  expect(faults()).toEqual(followers.map(noFaults))
}, 900_000)
