import { randomBytes } from 'node:crypto'
import { encode } from 'cborg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { interestProtocol } from '../../../src/engine/both/interest-beyond.ts'
import { decodeCbor } from '../../../src/lib/cbor.ts'
import { asking, bridgeOf, dial, leafOf } from '../../fixtures/memory-bridges.ts'
import { createMemoryNetwork } from '../../fixtures/memory-engine.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

/** Networks in a row, or in a ring, with a bridge between each and the next, each linked to the bridges beside it. */
async function networksInA(shape: 'row' | 'ring', count: number) {
  const networks = Array.from({ length: count }, () => createMemoryNetwork())
  const pairs = networks.flatMap((network, index) => {
    const next = networks[index + 1] ?? (shape === 'ring' ? networks[0] : undefined)
    return next === undefined ? [] : [[network, next] as const]
  })
  const bridges = await Promise.all(pairs.map(([network, next]) => bridgeOf([network, next])))
  for (const { engine } of bridges) await engine.start()
  for (const [index, { other }] of bridges.entries()) {
    const next = bridges[index + 1] ?? (shape === 'ring' ? bridges[0] : undefined)
    if (next !== undefined) await dial(other, next.one)
  }
  const [first] = networks
  if (first === undefined) throw new Error('no networks')
  return { first, bridges }
}

/** The topics that bridges are subscribed to, in the network before each and in the one after it. */
const subscriptionsAt = (bridges: Array<Awaited<ReturnType<typeof bridgeOf>>>) =>
  Promise.all(bridges.map(async ({ one, other }) => [(await one.topics()).length, (await other.topics()).length]))

async function settle(): Promise<void> {
  for (let step = 0; step < 20; step++) {
    await vi.advanceTimersByTimeAsync(5_000)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe('networks in a row', () => {
  test('a subscription at one end is one at the other, through networks that have only bridges, and ends as it does', async () => {
    const { first, bridges } = await networksInA('row', 4)
    const leaf = await leafOf(first)
    await dial(leaf, bridges[0]?.one ?? leaf)
    await leaf.subscribe('orders')
    const wanted = bridges.map(() => [0, 1])
    await vi.waitUntil(
      async () => {
        await vi.advanceTimersByTimeAsync(5_000)
        return JSON.stringify(await subscriptionsAt(bridges)) === JSON.stringify(wanted)
      },
      { timeout: 20_000 },
    )
    await settle()
    expect(await subscriptionsAt(bridges)).toEqual(wanted)
    await leaf.unsubscribe('orders')
    for (let bridge = 0; bridge < bridges.length; bridge++) await settle()
    expect(await subscriptionsAt(bridges)).toEqual(bridges.map(() => [0, 0]))
  })

  test('what clients of a bridge follow is wanted at the far end', async () => {
    const { bridges } = await networksInA('row', 3)
    await bridges[0]?.engine.subscribe('orders')
    await settle()
    expect(await subscriptionsAt(bridges)).toEqual([
      [1, 1],
      [0, 1],
    ])
  })

  test('bridges that are linked in both networks want nothing of each other', async () => {
    const networks = [createMemoryNetwork(), createMemoryNetwork()] as const
    const [here, there] = [await bridgeOf([...networks]), await bridgeOf([...networks])]
    for (const { engine } of [here, there]) await engine.start()
    await dial(here.one, there.one)
    await dial(here.other, there.other)
    await there.engine.subscribe('orders')
    await settle()
    expect(await subscriptionsAt([here])).toEqual([[0, 0]])
  })
})

test('in a ring of bridges, subscriptions do not keep each other alive', async () => {
  const { first, bridges } = await networksInA('ring', 4)
  const leaf = await leafOf(first)
  await dial(leaf, bridges[0]?.one ?? leaf)
  await dial(leaf, bridges[3]?.other ?? leaf)
  await leaf.subscribe('orders')
  await settle()
  const subscribed = (await subscriptionsAt(bridges)).flat().reduce((sum, count) => sum + count)
  expect(subscribed).toBeGreaterThanOrEqual(bridges.length)
  await leaf.unsubscribe('orders')
  for (let bridge = 0; bridge < bridges.length; bridge++) await settle()
  expect(await subscriptionsAt(bridges)).toEqual(bridges.map(() => [0, 0]))
})

describe('a question of a stranger', () => {
  /** A leaf that asks a bridge, whose other network has a subscriber to `orders`. */
  async function askedBridge() {
    const networks = [createMemoryNetwork(), createMemoryNetwork()] as const
    const bridge = await bridgeOf([...networks])
    await bridge.engine.start()
    const [stranger, leaf] = [await leafOf(networks[0]), await leafOf(networks[1])]
    await dial(stranger, bridge.one)
    await dial(leaf, bridge.other)
    await leaf.subscribe('orders')
    return async (question: unknown) =>
      decodeCbor(await stranger.request(bridge.engine.peerId, interestProtocol, encode(question), { ...asking(), maxAnswerBytes: 10_000 }))
  }
  const question = { id: Buffer.alloc(8, 1), hops: 0, topics: ['news', 'orders'] }

  test('is asked once: a copy is answered as the first was, whoever has sent that ahead, and nothing a moment later', async () => {
    const ask = await askedBridge()
    expect(await ask(question)).toEqual({ wanted: [1] })
    expect(await ask(question)).toEqual({ wanted: [1] })
    await expect.poll(() => ask(question)).toEqual({ wanted: [] })
    expect(await ask({ ...question, id: Buffer.alloc(8, 2) })).toEqual({ wanted: [1] })
  })

  test('is known until 4,096 topics of others have been asked for', async () => {
    const ask = await askedBridge()
    const same = { ...question, topics: ['orders'] }
    /** A question at a time, of as many topics as it has. */
    async function others(count: number): Promise<void> {
      for (let left = count; left > 0; left -= 256) {
        const topics = Array.from({ length: Math.min(left, 256) }, (_, index) => `other-${index}`)
        await ask({ id: randomBytes(8), hops: 0, topics })
      }
    }
    expect(await ask(same)).toEqual({ wanted: [0] })
    await expect.poll(() => ask(same)).toEqual({ wanted: [] })
    await others(4_095)
    expect(await ask(same)).toEqual({ wanted: [] })
    await others(4_096)
    expect(await ask(same)).toEqual({ wanted: [0] })
  })

  test.each([
    ['more topics than a question has', { topics: Array.from({ length: 257 }, (_, index) => `${index}`) }],
    ['more hops than there are', { hops: 9 }],
    ['an id of another length', { id: Buffer.alloc(9) }],
  ])('with %s is not answered', async (_, change) => {
    const ask = await askedBridge()
    await expect(ask({ ...question, ...change })).rejects.toThrow()
  })
})
