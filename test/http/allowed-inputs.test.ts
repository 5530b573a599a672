import { bases } from 'multiformats/basics'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { appForTest, neighbour } from './app-for-test.ts'

/** What the schemas of the contract allow is not refused for its form. */

const stranger = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'
const cid = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')
const emoji = (count: number) => '😀'.repeat(count)

test('a label has as many characters as the contract says, of any kind', async () => {
  const { call } = await appForTest()
  const label = emoji(200)
  expect((await call('PATCH', `/v1/peers/${stranger}`, { json: { label } })).body).toMatchObject({ label })
  const refused = await call('PATCH', `/v1/peers/${stranger}`, { json: { label: emoji(201) } })
  expect(refused.body.errors).toEqual([{ path: '/label', message: 'must have at most 200 characters' }])
})

test.each([' ', '\u3000', ' till 3 ', emoji(100)])('a token is called what its client says: %j', async (name) => {
  const { call } = await appForTest()
  const created = await call('POST', '/v1/tokens', { json: { name, actions: ['admin'] } })
  expect([created.status, created.body.name]).toEqual([201, name])
})

test.each(['2026-01-01t00:00:00z', '2016-12-31T23:59:60Z', '2026-01-01T00:00:00.123456789-00:00'])('%s is a time', async (time) => {
  const { call } = await appForTest()
  for (const name of ['since', 'until']) expect((await call('GET', `/v1/messages?${name}=${time}`)).status).toBe(200)
  expect((await call('GET', `/v1/deliveries?updatedSince=${time}`)).status).toBe(200)
})

test('a token expires at a time in any notation', async () => {
  const { call } = await appForTest()
  const { secret } = (await call('POST', '/v1/tokens', { json: { name: 'first', actions: ['admin', 'read'] } })).body
  const json = { name: 'till', actions: ['read'], expiresAt: '2999-12-31t23:59:60z' }
  const created = await call('POST', '/v1/tokens', { json, headers: { authorization: `Bearer ${secret}` } })
  expect(created.body).toMatchObject({ expiresAt: '2999-12-31T23:59:59.999Z' })
})

test('a cursor of the greatest number that the contract allows is ahead of the log', async () => {
  const { call } = await appForTest()
  const { epoch } = (await call('GET', '/v1/node')).body.log
  expect((await call('GET', `/v1/messages?after=${epoch}.${10 ** 15 - 1}`)).body.code).toBe('cursor_ahead')
  expect((await call('GET', `/v1/messages?after=${epoch}.${10 ** 15}`)).body.code).toBe('invalid_cursor')
})

test('content is named by its CID in any base', async () => {
  const { call, network } = await appForTest()
  const other = await neighbour(network)
  await call('POST', '/v1/peers', { json: { multiaddr: other.address } })
  for (const { encoder } of [bases.base16, bases.base32upper, bases.base58btc, bases.base64url])
    expect((await call('POST', `/v1/dht/providers/${encoder.encode(cid.bytes)}`)).status).toBe(204)
})
