import { describe, expect, test } from 'vitest'
import type { P2PEngine } from '../../src/engine/engine.ts'
import type { SignedMessage } from '../../src/model/signed-message.ts'
import { startedCustomEngine } from '../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'

/** How much from the network waits for its verdict at once, on links of both engines. */

const signal = AbortSignal.timeout(600_000)

async function publish(engine: P2PEngine, topic: string, ...payloads: string[]): Promise<number[]> {
  return await engine.send(await engine.sign(payloads.map((data) => ({ topic, data: Buffer.from(data) }))))
}

async function link(from: P2PEngine, to: P2PEngine, ...topics: string[]): Promise<void> {
  const [address = ''] = await to.multiaddrs()
  for (const topic of topics) await to.subscribe(topic)
  await from.dial(address, { source: 'rest', signal })
  for (const topic of topics) await expect.poll(() => from.subscribers(topic)).toContain(to.peerId)
}

/** Accepts each message once the answer is there; messages of other topics than `orders` at once. */
function receiver(answer: Promise<void>) {
  const texts: string[] = []
  return {
    texts,
    async onMessage({ topic, data }: SignedMessage): Promise<'accept'> {
      texts.push(Buffer.from(data.subarray(0, 20)).toString())
      if (topic === 'orders') await answer
      return 'accept'
    },
  }
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(1_000)}`)

describe.each([
  ['custom', startedCustomEngine],
  ['libp2p', startedLibp2pEngine],
] as const)('%s', (_, started) => {
  test.for(['maxInboxBytes', 'maxTopicInboxBytes'] as const)('%s: messages beyond it are ignored until there is room', async (limit) => {
    const answer = Promise.withResolvers<void>()
    const inbound = receiver(answer.promise)
    const slow = await started({ limits: { [limit]: 10_000 }, inbound })
    const fast = await started()
    await link(fast, slow, 'orders')
    await publish(fast, 'orders', ...numbered(50))
    await expect.poll(() => inbound.texts.length + slow.dropped).toBeGreaterThanOrEqual(50)
    expect(inbound.texts.length).toBeGreaterThan(2)
    expect(inbound.texts.length).toBeLessThan(10)
    answer.resolve()
    await expect
      .poll(async () => {
        await publish(fast, 'orders', 'room again')
        return inbound.texts
      })
      .toContain('room again')
  })

  test('a topic that is judged slowly leaves room for the others', async () => {
    const inbound = receiver(new Promise(() => undefined))
    const slow = await started({ limits: { maxTopicInboxBytes: 10_000 }, inbound })
    const fast = await started()
    await link(fast, slow, 'orders', 'news')
    await publish(fast, 'orders', ...numbered(50))
    await expect.poll(() => slow.dropped).toBeGreaterThan(40)
    await publish(fast, 'news', 'news')
    await expect.poll(() => inbound.texts).toContain('news')
  })
})
