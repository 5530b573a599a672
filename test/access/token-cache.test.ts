import { expect, test } from 'vitest'
import { createTokens } from '../../src/access/tokens.ts'
import { defaultLimits } from '../../src/limits.ts'
import type { StoreChange } from '../../src/store/store.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'

/** Tokens of a gateway whose database another gateway changes too. */
async function shared() {
  const disk = createMemoryDisk()
  let tell: (change: StoreChange) => void = () => undefined
  const state = { changes: 0 }
  const store = {
    ...createMemoryStore(disk),
    listen(listener: (change: StoreChange) => void) {
      tell = listener
      return () => undefined
    },
  }
  const tokens = createTokens({ adminToken: undefined, hasProvider: true, limits: defaultLimits }, { store })
  tokens.watchChanges(() => state.changes++)
  await tokens.start()
  return { tokens, state, tell: (change: StoreChange) => tell(change), elsewhere: createMemoryStore(disk).tokens }
}

test.each(['tokens', 'everything'] as const)('a token that another gateway has revoked is refused once that is told (%s)', async (kind) => {
  const { tokens, state, tell, elsewhere } = await shared()
  const { token, secret } = await tokens.create({ name: 'test', actions: ['read'], topics: ['>'] })
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  await elsewhere.remove(token.id)
  // As long as nothing is told, what was looked up counts.
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  tell({ kind: 'peers' })
  expect(state.changes).toBe(0)
  tell({ kind })
  expect(state.changes).toBe(1)
  expect(await tokens.grantOf(secret)).toBeUndefined()
})

test('a token that was looked up before has no rights once it has expired', async () => {
  let now = 1_800_000_000_000
  const store = createMemoryStore()
  const tokens = createTokens({ adminToken: undefined, hasProvider: true, limits: defaultLimits }, { store, now: () => now })
  const expiresAt = new Date(now + 1_000).toISOString()
  const { token, secret } = await tokens.create({ name: 'test', actions: ['read'], topics: ['>'], expiresAt })
  now += 999
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  now += 1
  expect(await tokens.grantOf(secret)).toBeUndefined()
})
