import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createParties, linkParties, memoryNode, type Party } from '../fixtures/party.ts'
import { createStoppedTime } from '../fixtures/stopped-time.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { join, often, outcomes, part } from './parties-that-catch-up.ts'

const counter = async ({ gateway }: Party, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await fetch(`${gateway.url}/metrics`)).text())?.[1])

/** A node that takes messages and passes nothing on. */
async function sink(party: Party): Promise<void> {
  const engine = await memoryNode()
  await engine.start()
  onTestFinished(() => engine.stop())
  await engine.subscribe('orders')
  await engine.dial(await party.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
}

test('two gateways that keep messages for different times: over ten windows nothing is delivered twice, and nothing pruned comes back', async () => {
  const windowMs = 2_000
  /** Time passes for the gateways with each message: however slow this machine is, what one of them keeps for a short time is there for the other. */
  const messageMs = 20
  const time = createStoppedTime()
  const { aheadMs } = time
  const common = { ...often, seenWindowMs: windowMs, unsentWindowMs: 1, retentionSweepMs: 50 }
  const { here, there } = await createParties(
    { aheadMs, limits: { ...common, retentionMaxAgeMs: 1_500 } },
    { aheadMs, limits: { ...common, retentionMaxAgeMs: 5 * windowMs, maxPruneMessages: 10 } },
  )
  await join([here, there])
  await using one = await openStream(here.gateway.url, { query: '?topic=orders' })
  await using other = await openStream(there.gateway.url, { query: '?topic=orders' })
  // They have somebody to hand messages to while they are apart, so that these do not wait for the other.
  for (const party of [here, there]) await sink(party)
  const published: string[] = []
  const followers = [one, other]
  const haveAll = () => followers.every(({ messages }) => new Set(messages.map(({ id }) => id)).size === published.length)
  let partedAt: number | undefined
  for (let number = 0; time.passedMs < 10 * windowMs; number++) {
    const publisher = number % 2 === 0 ? here : there
    if (number % 75 === 74) {
      await part(here, there)
      partedAt = time.passedMs
    }
    if (partedAt !== undefined && time.passedMs - partedAt > 200) {
      await linkParties(here, there)
      await expect.poll(haveAll).toBe(true)
      partedAt = undefined
    }
    published.push((await publisher.rest.publish('orders', `${number}`)).id)
    time.pass(messageMs)
    // Pruning goes on meanwhile.
    await delay(5)
  }
  await linkParties(here, there)
  await expect.poll(haveAll).toBe(true)
  for (const follower of followers) {
    const ids = follower.messages.map(({ id }) => id)
    expect(ids).toHaveLength(new Set(ids).size)
    expect(new Set(ids)).toEqual(new Set(published))
  }
  for (const party of [here, there]) {
    expect((await outcomes(party))['stored']).toBeGreaterThan(0)
    expect(await counter(party, 'peergate_pruned_messages_total')).toBeGreaterThan(0)
  }
})
