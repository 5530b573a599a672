import { expect, test } from 'vitest'
import { createTokens } from '../../src/access/tokens.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { adminToken, gatewayWithTokens } from './gateway-with-tokens.ts'

/** Holds the answers of look-ups from when it is told to until it lets them go. */
function createHold() {
  let gate: Promise<void> | undefined
  let open = () => {}
  let waiting = 0
  return {
    get waiting() {
      return waiting
    },
    begin() {
      gate = new Promise((resolve) => {
        open = resolve
      })
    },
    end() {
      gate = undefined
      open()
    },
    async pass<Answer>(answer: Promise<Answer>): Promise<Answer> {
      const value = await answer
      waiting++
      await gate
      waiting--
      return value
    },
  }
}

async function setUp() {
  const hold = createHold()
  const store = createMemoryStore()
  const party = await gatewayWithTokens({
    store: {
      ...store,
      tokens: { ...store.tokens, find: (hash) => hold.pass(store.tokens.find(hash)) },
      sessions: { ...store.sessions, find: (id) => hold.pass(store.sessions.find(id)) },
    },
  })
  return { ...party, hold }
}

test('a token that is revoked while it is looked up is refused, then and later', async () => {
  const { call, tokenFor, hold } = await setUp()
  const { id, secret } = await tokenFor(['read'])
  hold.begin()
  const asked = call('GET', '/v1/node', { token: secret })
  await expect.poll(() => hold.waiting).toBe(1)
  expect((await call('DELETE', `/v1/tokens/${id}`, { token: adminToken })).status).toBe(204)
  hold.end()
  expect((await asked).status).toBe(401)
  expect((await call('GET', '/v1/node', { token: secret })).status).toBe(401)
})

test('a stream whose session ends while it is looked up is closed', async () => {
  const { call, gateway, hold } = await setUp()
  const [cookie = ''] = (await call('POST', '/v1/session', { token: adminToken })).headers.getSetCookie()
  const headers = { cookie: cookie.split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' }
  hold.begin()
  const opening = openStream(gateway.url, { headers })
  await expect.poll(() => hold.waiting).toBe(1)
  expect((await call('DELETE', '/v1/session', { headers })).status).toBe(204)
  hold.end()
  const stream = await opening
  expect(await stream.closed).toBe(4503)
})

test('of the last two tokens that administer one stays, also when two gateways revoke one each at the same time; and of two first tokens one is made', async () => {
  const disk = createMemoryDisk()
  const gateways = [1, 2].map(() => {
    const store = createMemoryStore(disk)
    return createTokens({ adminToken: undefined, hasProvider: false }, { store, onChange: () => undefined })
  })
  for (let round = 0; round < 10; round++) {
    disk.tokens.clear()
    for (const name of ['one', 'other']) await gateways[0]?.create({ name, actions: ['admin'], topics: ['*'] })
    const ids = [...disk.tokens.keys()]
    await Promise.allSettled(gateways.map((tokens, index) => tokens.revoke(ids[index] ?? '')))
    expect([...disk.tokens.values()].filter(({ actions }) => actions.includes('admin'))).toHaveLength(1)
    disk.tokens.clear()
    const inputs = [
      { name: 'one', actions: ['admin' as const] },
      { name: 'other', actions: ['read' as const] },
    ]
    const order = round % 2 === 0 ? inputs : inputs.toReversed()
    await Promise.allSettled(
      gateways.map((tokens, index) => tokens.create({ topics: ['*'], ...(order[index] ?? { name: '', actions: [] }) })),
    )
    expect([...disk.tokens.values()].some(({ actions }) => actions.includes('admin'))).toBe(true)
  }
})

test('a token whose removal the database does not confirm is looked up anew', async () => {
  const store = createMemoryStore()
  const remove = async (id: string) => {
    await store.tokens.remove(id)
    throw new StoreUnavailable('The answer was lost.')
  }
  const components = { store: { ...store, tokens: { ...store.tokens, remove } }, onChange: () => undefined }
  const tokens = createTokens({ adminToken: 'operator', hasProvider: false }, components)
  const { token, secret } = await tokens.create({ name: 'x', actions: ['read'], topics: ['*'] })
  expect((await tokens.grantOf(secret))?.id).toBe(token.id)
  await expect(tokens.revoke(token.id)).rejects.toThrow(StoreUnavailable)
  expect(await tokens.grantOf(secret)).toBeUndefined()
})
