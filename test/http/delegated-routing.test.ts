import { delegatedRoutingV1HttpApiClient, type PeerRecord } from '@helia/delegated-routing-v1-http-api-client'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromCID, peerIdFromString } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { createDht } from '../../src/dht/dht.ts'
import { DhtUnavailable, Unauthorized } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { type AppForTest, type AppOverrides, appForTest, neighbour } from './app-for-test.ts'

const content = 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4'
const stranger = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const ipnsType = 'application/vnd.ipfs.ipns-record'
const name = 'k51qzi5uqu5dgt7ix5pxf0ed0l3yoj6gz5qrwk1p0s4vysmn6s5yxn4d5vfsbk'

interface Gateway extends AppForTest {
  url: string
  other: Awaited<ReturnType<typeof neighbour>>
  get(path: string, init?: RequestInit): Promise<Response>
}

/** A gateway with a peer to ask. */
async function gateway(overrides: AppOverrides = {}): Promise<Gateway> {
  const app = await appForTest(overrides)
  const other = await neighbour(app.network)
  await app.engine.dial(other.address, { source: 'rest', signal: AbortSignal.timeout(5_000) })
  const address = app.app.server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const url = `http://127.0.0.1:${address.port}`
  return { ...app, other, url, get: (path, init) => fetch(`${url}/routing/v1/${path}`, init) }
}

const client = (url: string) => delegatedRoutingV1HttpApiClient({ url, cacheTTL: 0 })({ logger: defaultLogger() })

const read = (peers: PeerRecord[]) => peers.map(({ ID, Addrs }) => ({ ID: peerIdFromCID(ID).toString(), Addrs: Addrs.map(String) }))

test("Helia's client finds providers, a peer and the closest peers", async () => {
  const { url, other } = await gateway()
  const helia = client(url)
  const cid = CID.parse(content)
  expect(await Array.fromAsync(helia.getProviders(cid))).toEqual([])
  await other.routing.provide(content, { signal: AbortSignal.timeout(5_000) })
  const record = { ID: other.peerId, Addrs: [other.address.replace(`/p2p/${other.peerId}`, '')] }
  expect(read(await Array.fromAsync(helia.getProviders(cid)))).toEqual([record])
  expect(read(await Array.fromAsync(helia.getProviders(cid, { filterAddrs: ['webrtc'] })))).toEqual([])
  expect(read(await Array.fromAsync(helia.getProviders(cid, { filterProtocols: ['unknown'] })))).toEqual([record])
  expect(read(await Array.fromAsync(helia.getPeers(peerIdFromString(other.peerId).toCID())))).toEqual([record])
  expect(await Array.fromAsync(helia.getPeers(peerIdFromString(stranger).toCID()))).toEqual([])
  expect(read(await Array.fromAsync(helia.getClosestPeers(cid))).map(({ ID }) => ID)).toContain(other.peerId)
})

test('answers are JSON, or a line for each record for those who accept it, and say how long they are fresh', async () => {
  const { get, other } = await gateway()
  const none = await get(`providers/${content}`)
  expect([none.status, await none.json()]).toEqual([200, { Providers: [] }])
  expect(none.headers.get('cache-control')).toBe('private, max-age=15, stale-while-revalidate=172800, stale-if-error=172800')
  await other.routing.provide(content, { signal: AbortSignal.timeout(5_000) })
  const record = { Schema: 'peer', ID: other.peerId, Addrs: [other.address.replace(`/p2p/${other.peerId}`, '')], Protocols: [] }
  const found = await get(`providers/${content}?filter-addrs=!quic&unknown-parameter=1`)
  expect([found.headers.get('content-type'), await found.json()]).toEqual(['application/json; charset=utf-8', { Providers: [record] }])
  expect(found.headers.get('cache-control')).toContain('max-age=300')
  expect(found.headers.get('vary')).toBe('Origin, Accept')
  expect(Date.parse(found.headers.get('last-modified') ?? '')).toBeGreaterThan(Date.now() - 60_000)
  const lines = await get(`peers/${other.peerId}`, { headers: { accept: 'application/x-ndjson, application/json' } })
  expect([lines.headers.get('content-type'), await lines.text()]).toEqual(['application/x-ndjson', `${JSON.stringify(record)}\n`])
  expect(await (await get(`peers/${stranger}`)).json()).toEqual({ Peers: [] })
})

test.each([
  ['GET', 'providers/nonsense', 422, 'invalid_routing_key'],
  ['GET', `providers/${content}?filter-addrs=${'x'.repeat(64)}`, 422, 'invalid_routing_key'],
  ['GET', `peers/${content}`, 422, 'invalid_routing_key'],
  ['GET', 'dht/closest/peers/nonsense', 422, 'invalid_routing_key'],
  ['POST', `providers/${content}`, 501, 'routing_not_implemented'],
  ['PUT', 'providers', 400, 'invalid_request'],
  ['GET', 'elsewhere', 400, 'invalid_request'],
  ['GET', `ipns/${name}`, 406, 'ipns_type_required'],
  ['PUT', `ipns/${name}`, 406, 'ipns_type_required'],
])('%s %s: %i %s', async (method, path, status, code) => {
  const { get } = await gateway()
  const answer = await get(path, { method, headers: { accept: 'application/json' } })
  expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining({ code, status })])
})

test.each(['application/json', 'application/octet-stream'])('an IPNS record is not taken as %s', async (type) => {
  const { get } = await gateway()
  const answer = await get(`ipns/${name}`, { method: 'PUT', headers: { 'content-type': type }, body: '{}' })
  expect([answer.status, await answer.json()]).toEqual([406, expect.objectContaining({ code: 'ipns_type_required' })])
})

test('an IPNS record is no body of another operation', async () => {
  const { url } = await gateway()
  const answer = await fetch(`${url}/v1/topics/x/messages`, { method: 'POST', headers: { 'content-type': ipnsType }, body: 'x' })
  expect(answer.status).toBe(415)
})

test('a DHT without IPNS says that it has none', async () => {
  const { get } = await gateway()
  const read = await get(`ipns/${name}`, { headers: { accept: ipnsType } })
  const written = await get(`ipns/${name}`, { method: 'PUT', headers: { 'content-type': ipnsType }, body: 'x' })
  expect([read.status, written.status]).toEqual([501, 501])
  expect(await read.json()).toMatchObject({ code: 'routing_not_implemented' })
})

test('a DHT that cannot be asked is an error, not an empty answer', async () => {
  const unavailable = async () => {
    throw new DhtUnavailable('no peer')
  }
  const app = await appForTest()
  const routing = { ...app.engine.routing, findPeer: unavailable }
  const { get } = await gateway({ components: { dht: createDht({ limits: defaultLimits, peerId: stranger }, { routing }) } })
  expect((await get(`peers/${stranger}`)).status).toBe(503)
})

const page = { origin: 'https://elsewhere.example' }

/** Of a gateway that has tokens, for a client without one. */
async function refuse(): Promise<never> {
  throw new Unauthorized('a token is needed')
}
const access = { admit: refuse, admitSession: refuse }

test('needs a token and an allowed origin', async () => {
  const { get } = await gateway({ components: { access } })
  expect((await get(`providers/${content}`, { headers: page })).status).toBe(403)
  expect((await get(`providers/${content}`)).status).toBe(401)
})

test('when it is open, lookups need no token and serve every page, and only they', async () => {
  const { get, url } = await gateway({ openRouting: true, components: { access } })
  const answer = await get(`providers/${content}`, { headers: page })
  expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
  expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
  expect(answer.headers.get('cache-control')).toMatch(/^public, /)
  const preflight = await get(`providers/${content}`, { method: 'OPTIONS', headers: { ...page, 'access-control-request-method': 'GET' } })
  expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([204, 'GET, HEAD, OPTIONS'])
  expect((await get(`ipns/${name}`, { method: 'PUT', headers: { 'content-type': ipnsType }, body: 'x' })).status).toBe(401)
  expect((await get(`ipns/${name}`, { method: 'PUT', headers: { ...page, 'content-type': ipnsType }, body: 'x' })).status).toBe(403)
  expect((await fetch(`${url}/v1/dht/providers/${content}`)).status).toBe(401)
  expect((await fetch(`${url}/v1/node`, { headers: page })).status).toBe(403)
})

test('what is open to all costs the address that asks, like any lookup', async () => {
  const { get } = await gateway({ openRouting: true, limits: { addressRate: 1, addressBurst: 350 } })
  const statuses: number[] = []
  for (let asked = 0; asked < 4; asked++) statuses.push((await get(`providers/${content}`)).status)
  expect(statuses).toEqual([200, 200, 200, 429])
})
