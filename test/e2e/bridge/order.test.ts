import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { faultsOf, noFaults, publishShare, startFollower } from '../../fixtures/migration-clients.ts'
import { type MovingGateway, movingGateway } from '../../fixtures/moving-gateway.ts'

const topic = 'orders'
const messages = 2_000
const kills = 3

const patiently = { timeout: 120_000, interval: 500 }

const subscribersAt = async ({ rest }: MovingGateway) =>
  (await rest.get<{ items: unknown[] }>(`/v1/peers?topic=${topic}&state=connected`)).items.length

test('each author’s messages keep their order through a bridge that is killed while they are published, and none is lost', async () => {
  const [bridge, ...leaves] = await Promise.all(Array.from({ length: 5 }, () => movingGateway()))
  if (bridge === undefined) throw new Error('no bridge')
  await bridge.start('both')
  // Two of each network, which are linked to the bridge and to each other.
  for (const [index, leaf] of leaves.entries()) {
    await leaf.start(index < 2 ? 'custom' : 'libp2p', [bridge, ...leaves.slice(0, index)])
    expect((await leaf.rest.call('PUT', `/v1/topics/${topic}`, {})).status).toBeLessThan(300)
  }
  const followers = leaves.map((leaf, index) => startFollower(leaf, { name: `at leaf ${index}`, topic }))
  for (const leaf of leaves) await expect.poll(() => subscribersAt(leaf), patiently).toBe(2)
  await expect.poll(() => subscribersAt(bridge), patiently).toBe(leaves.length)

  const over = new AbortController()
  onTestFinished(() => over.abort())
  let published = 0
  let killed = 0
  // Each kill comes while messages are published.
  const onPublished = async () => {
    published++
    while (published > (messages * (killed + 1)) / (kills + 1) && killed < kills && !over.signal.aborted) await sleep(20)
  }
  const share = messages / leaves.length
  const publishing = leaves.map((leaf, index) =>
    publishShare(leaf, { name: `${index}`, topic, messages: share, onPublished, signal: over.signal }),
  )
  for (; killed < kills; killed++) {
    await expect.poll(() => published, patiently).toBeGreaterThan((messages * (killed + 0.5)) / (kills + 1))
    await bridge.end('SIGKILL')
    await bridge.start('both', leaves)
  }
  const ids = new Set((await Promise.all(publishing)).flat())
  expect(ids.size).toBe(messages)
  await expect.poll(() => followers.map((follower) => faultsOf(follower, ids)), patiently).toEqual(followers.map(noFaults))
}, 300_000)
