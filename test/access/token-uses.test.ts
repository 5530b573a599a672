import { expect, test, vi } from 'vitest'
import { createTokenUses } from '../../src/access/token-uses.ts'
import { createTokens } from '../../src/access/tokens.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

function usesForTest() {
  const written: Array<Array<[string, number]>> = []
  const database = { isBroken: false }
  const uses = createTokenUses({
    store: {
      async used(times) {
        if (database.isBroken) throw new Error('the database is away')
        written.push([...times])
      },
    },
  })
  return { uses, written, database }
}

test('the store is told once a minute, of the last use of each token', async () => {
  vi.useFakeTimers()
  try {
    const { uses, written } = usesForTest()
    for (let time = 1; time <= 1_000; time++) uses.note(`tok_${time % 2}`, time)
    await vi.advanceTimersByTimeAsync(59_999)
    expect(written).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    const once = [
      ['tok_1', 999],
      ['tok_0', 1_000],
    ]
    expect(written).toEqual([once])
    await vi.advanceTimersByTimeAsync(600_000)
    expect(written).toEqual([once])
  } finally {
    vi.useRealTimers()
  }
})

test('10,000 tokens are noted at a time, and none that a broken database refused is told again', async () => {
  const { uses, written, database } = usesForTest()
  for (let id = 1; id <= 10_001; id++) uses.note(`tok_${id}`, 1)
  uses.note('tok_1', 2)
  await uses.flush()
  expect(written).toHaveLength(1)
  expect(written[0]).toHaveLength(10_000)
  expect(written[0]?.[0]).toEqual(['tok_1', 2])
  database.isBroken = true
  uses.note('tok_1', 3)
  await uses.flush()
  database.isBroken = false
  uses.note('tok_2', 4)
  await uses.flush()
  expect(written.slice(1)).toEqual([[['tok_2', 4]]])
})

test('a token shows when it was last used, also after the gateway has stopped, and null before', async () => {
  const store = createMemoryStore()
  let time = Date.parse('2026-11-23T12:00:00.000Z')
  const init = { adminToken: undefined, hasProvider: true, limits: defaultLimits }
  const tokens = createTokens(init, { store, now: () => time })
  const { token, secret } = await tokens.create({ name: 'test', actions: ['read'], topics: ['>'], expiresAt: '2026-11-23T13:00:00.000Z' })
  expect([token.lastUsedAt, (await tokens.get(token.id)).lastUsedAt]).toEqual([null, null])
  time += 60_000
  await tokens.grantOf(secret)
  await tokens.grantOf('peergate_unknown')
  time += 60_000
  await tokens.grantOf(secret)
  // An expired token is refused, which is no use of it.
  time += 3_600_000
  expect(await tokens.grantOf(secret)).toBeUndefined()
  await tokens.stop()
  const [listed] = await createTokens(init, { store }).list()
  expect(listed?.lastUsedAt).toBe('2026-11-23T12:02:00.000Z')
})
