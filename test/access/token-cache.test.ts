import { expect, test } from 'vitest'
import { createTokens } from '../../src/access/tokens.ts'
import { TokenLimit } from '../../src/errors.ts'
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

test('however many other tokens and sessions end, here or elsewhere, a token is looked up once', async () => {
  const disk = createMemoryDisk()
  const { tokens: stored, ...rest } = createMemoryStore(disk)
  let tell: (change: StoreChange) => void = () => undefined
  let endOthers = async () => {}
  let lookUps = 0
  const store = {
    ...rest,
    tokens: {
      ...stored,
      async find(hash: Uint8Array) {
        const found = await stored.find(hash)
        lookUps++
        await endOthers()
        return found
      },
    },
    listen(listener: (change: StoreChange) => void) {
      tell = listener
      return () => undefined
    },
  }
  const tokens = createTokens({ adminToken: 'operator', hasProvider: false, limits: defaultLimits }, { store })
  await tokens.start()
  const make = () => tokens.create({ name: 'test', actions: ['read'], topics: ['>'] })
  const { token, secret } = await make()
  endOthers = async () => {
    if (lookUps > 10) return
    await tokens.revoke((await make()).token.id)
    tell({ kind: 'tokens', token: 'tok_elsewhere' })
    tell({ kind: 'tokens', session: 'a session' })
  }
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  await endOthers()
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  expect(lookUps).toBe(1)
  // Its own end counts, also elsewhere.
  tell({ kind: 'tokens', token: token.id })
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  expect(lookUps).toBe(2)
})

test('changes of tokens read no more of them however many there are, and there are at most `maxTokens`', async () => {
  const disk = createMemoryDisk()
  const store = createMemoryStore(disk)
  let listed = 0
  function list() {
    listed++
    return store.tokens.list()
  }
  const components = { store: { ...store, tokens: { ...store.tokens, list } } }
  const tokens = createTokens({ adminToken: undefined, hasProvider: false, limits: { ...defaultLimits, maxTokens: 3 } }, components)
  expect(await tokens.exist()).toBe(false)
  const make = (expiresAt?: string) => tokens.create({ name: 'test', actions: ['admin'], topics: ['>'], ...(expiresAt && { expiresAt }) })
  const made = [await make(), await make(), await make(new Date(Date.now() + 3_600_000).toISOString())]
  await expect(make()).rejects.toThrow(TokenLimit)
  expect(await tokens.exist()).toBe(true)
  await tokens.revoke(made[0]?.token.id ?? '')
  expect(await tokens.missing(made.map(({ token }) => token.id))).toEqual(new Set([made[0]?.token.id]))
  await make()
  expect(listed).toBe(0)
})
