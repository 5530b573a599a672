import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { describe, expect, test } from 'vitest'
import { createDht } from '../../src/dht/dht.ts'
import { ownKey, sealOwnRecord } from '../../src/model/dht-record.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { type AppForTest, appForTest, neighbour } from './app-for-test.ts'

const hash = createHash('sha256').update('test').digest('hex')
const key = `/peergate/imm/${hash}`
const cid = CID.createV1(raw.code, create(0x12, createHash('sha256').update('content').digest())).toString()
const stranger = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'

/** A gateway with a peer to ask. */
async function connected(): Promise<AppForTest & { other: Awaited<ReturnType<typeof neighbour>> }> {
  const app = await appForTest()
  const other = await neighbour(app.network)
  await app.call('POST', '/v1/peers', { json: { multiaddr: other.address } })
  return { ...app, other }
}

describe('values', () => {
  test('are stored under their hash, and read again, by path and by query', async () => {
    const { call } = await connected()
    const stored = await call('PUT', '/v1/dht/values', { json: { data: 'test' } })
    const view = { key, data: 'test', encoding: 'utf8', owner: null, sequence: null, issuedAt: null, record: null }
    expect(stored).toMatchObject({ status: 200, body: view })
    expect(await call('GET', `/v1/dht/values/${encodeURIComponent(key)}`)).toMatchObject({ status: 200, body: view })
    expect(await call('GET', `/v1/dht/values?key=${key}&encoding=base64`)).toMatchObject({
      status: 200,
      body: { ...view, data: 'dGVzdA==', encoding: 'base64' },
    })
  })

  test('may be JSON values', async () => {
    const { call } = await connected()
    const stored = await call('PUT', '/v1/dht/values', { json: { data: { name: 'test' }, encoding: 'json' } })
    expect(stored.body).toMatchObject({ data: '{"name":"test"}', encoding: 'utf8' })
    const read = await call('GET', `/v1/dht/values?key=${stored.body.key}&encoding=json`)
    expect(read.body).toMatchObject({ data: { name: 'test' }, encoding: 'json' })
  })

  test('may be any bytes, in base64 or as they are', async () => {
    const { call } = await connected()
    const bytes = Buffer.from([0, 255, 128])
    const json = await call('PUT', '/v1/dht/values', { json: { data: bytes.toString('base64'), encoding: 'base64' } })
    const headers = { 'content-type': 'application/octet-stream' }
    const plain = await call('PUT', '/v1/dht/values', { raw: bytes, headers })
    expect(plain.body).toEqual(json.body)
    const named = await call('PUT', `/v1/dht/values?key=${encodeURIComponent(json.body.key)}`, { raw: bytes, headers })
    expect(named.body).toEqual(json.body)
    const namedJson = await call('PUT', `/v1/dht/values?key=${encodeURIComponent(json.body.key)}`, {
      json: { data: 'AP+A', encoding: 'base64' },
    })
    expect(namedJson.body).toEqual(json.body)
    expect((await call('GET', `/v1/dht/values?key=${json.body.key}`)).body).toMatchObject({ data: 'AP+A', encoding: 'base64' })
  })

  test('under a name of the gateway are signed by it, and the newest is read', async () => {
    const { call, engine } = await connected()
    const path = `/v1/dht/values/${encodeURIComponent(ownKey(engine.peerId, 'a/profile ü'))}`
    const first = await call('PUT', path, { json: { data: 'one' } })
    const second = await call('PUT', path, { json: { data: 'two' } })
    expect(first).toMatchObject({ status: 200, body: { owner: engine.peerId, data: 'one', issuedAt: expect.any(String) } })
    expect(BigInt(second.body.sequence)).toBeGreaterThan(BigInt(first.body.sequence))
    expect((await call('GET', path)).body).toEqual(second.body)
    const older = await call('PUT', path.replace(engine.peerId, engine.peerId), {
      raw: Buffer.from(first.body.record, 'base64'),
      headers: { 'content-type': 'application/octet-stream' },
    })
    // It is data of this gateway like any other: signed anew.
    expect(older.body.owner).toBe(engine.peerId)
  })

  test('of another owner are stored as the record that it has signed, and never in the place of a newer one', async () => {
    const { call } = await connected()
    const owner = await createMemoryIdentity()
    const path = `/v1/dht/values/${encodeURIComponent(ownKey(owner.peerId, 'n'))}`
    const put = async (sequence: bigint) => {
      const record = await sealOwnRecord(
        { name: 'n', sequence, issuedAt: 1_800_000_000_000, value: Buffer.from(`${sequence}`) },
        owner.seed,
      )
      return await call('PUT', path, { json: { data: Buffer.from(record).toString('base64'), encoding: 'base64' } })
    }
    expect(await put(2n)).toMatchObject({
      status: 200,
      body: { owner: owner.peerId, sequence: '2', data: '2', issuedAt: '2027-01-15T08:00:00.000Z' },
    })
    expect(await put(1n)).toMatchObject({ status: 409, body: { code: 'record_outdated' } })
    expect((await call('GET', path)).body.sequence).toBe('2')
  })

  test.each([
    ['PUT', key, { data: 'another' }, 422, 'invalid_record'],
    ['PUT', '/peergate/imm/x', { data: 'x' }, 422, 'invalid_record'],
    ['PUT', ownKey(stranger, 'n'), { data: 'not signed' }, 422, 'invalid_record'],
    ['PUT', '/unknown/x', { data: 'x' }, 422, 'dht_namespace_unsupported'],
    ['PUT', key, { data: '***', encoding: 'base64' }, 422, 'invalid_data'],
    ['PUT', key, { data: 'test', more: 1 }, 400, 'invalid_request'],
    ['GET', 'no key', undefined, 422, 'invalid_record'],
    ['GET', '/unknown/x', undefined, 422, 'dht_namespace_unsupported'],
    ['GET', key, undefined, 404, 'record_not_found'],
  ])('%s %s with %j is refused with %i %s', async (method, name, json, status, code) => {
    const { call } = await connected()
    const path = `/v1/dht/values/${encodeURIComponent(name)}`
    expect(await call(method, path, json === undefined ? {} : { json })).toMatchObject({ status, body: { code } })
    if (method === 'PUT') expect((await call('GET', `/v1/dht/values?key=${key}`)).status).toBe(404)
  })
})

describe('providers', () => {
  test('are found, as a list or a line for each, until they say no more that they are', async () => {
    const { call, other, engine } = await connected()
    expect((await call('GET', `/v1/dht/providers/${cid}`)).body).toEqual({ items: [] })
    await other.routing.provide(cid, { signal: AbortSignal.timeout(1_000) })
    const found = { peerId: other.peerId, multiaddrs: [other.address] }
    expect((await call('GET', `/v1/dht/providers/${cid}`)).body).toEqual({ items: [found] })
    const lines = await call('GET', `/v1/dht/providers/${cid}`, { headers: { accept: 'application/x-ndjson' } })
    expect(lines.headers['content-type']).toBe('application/x-ndjson')
    expect(lines.text).toBe(`${JSON.stringify(found)}\n`)

    expect((await call('POST', `/v1/dht/providers/${cid}`)).status).toBe(204)
    const providers = () => Array.fromAsync(other.routing.findProviders(cid, { signal: AbortSignal.timeout(1_000) }))
    expect((await providers()).map(({ peerId }) => peerId)).toEqual([engine.peerId])
    expect((await call('DELETE', `/v1/dht/providers/${cid}`)).status).toBe(204)
    expect(await providers()).toEqual([])
  })

  test.each(['GET', 'POST', 'DELETE'])('%s of what is no CID is refused', async (method) => {
    const { call } = await connected()
    expect(await call(method, '/v1/dht/providers/nonsense')).toMatchObject({ status: 400, body: { code: 'invalid_cid' } })
  })
})

describe('peers', () => {
  test('are found by their ids', async () => {
    const { call, network } = await connected()
    const third = await neighbour(network)
    expect((await call('GET', `/v1/dht/peers/${third.peerId}`)).body).toEqual({ peerId: third.peerId, multiaddrs: [third.address] })
    expect(await call('GET', `/v1/dht/peers/${stranger}`)).toMatchObject({ status: 404, body: { code: 'peer_not_found' } })
    expect(await call('GET', '/v1/dht/peers/nobody')).toMatchObject({ status: 400, body: { code: 'invalid_peer_id' } })
  })

  test('closest to a key are listed, as many as are asked for', async () => {
    const { call, network, other } = await connected()
    const third = await neighbour(network)
    const { body } = await call('GET', `/v1/dht/closest?key=${key}`)
    expect(body.items.map(({ peerId }: { peerId: string }) => peerId).toSorted()).toEqual([other.peerId, third.peerId].toSorted())
    expect((await call('GET', `/v1/dht/closest?key=${key}&limit=1`)).body.items).toEqual(body.items.slice(0, 1))
  })

  test('are dialled by their ids alone', async () => {
    const { call, network } = await connected()
    const third = await neighbour(network)
    expect(await call('POST', '/v1/peers', { json: { peerId: third.peerId } })).toMatchObject({
      status: 201,
      headers: { location: `/v1/peers/${third.peerId}` },
      body: { peerId: third.peerId, state: 'connected' },
    })
    expect((await call('POST', '/v1/peers', { json: { peerId: third.peerId } })).status).toBe(201)
    // What is stored is enough, also when nobody is there to ask.
    await call('DELETE', `/v1/peers/${third.peerId}`)
    expect((await call('POST', '/v1/peers', { json: { peerId: third.peerId } })).status).toBe(201)
  })

  test('that nobody knows, that do not answer, and that is the gateway itself, are not dialled', async () => {
    const { call, network, engine } = await connected()
    expect(await call('POST', '/v1/peers', { json: { peerId: stranger } })).toMatchObject({ status: 404, body: { code: 'peer_not_found' } })
    const third = await neighbour(network)
    await call('POST', '/v1/peers', { json: { peerId: third.peerId } })
    await third.stop()
    expect(await call('POST', '/v1/peers', { json: { peerId: third.peerId } })).toMatchObject({
      status: 502,
      body: { code: 'dial_failed', errors: [{ multiaddr: third.address, message: expect.any(String) }] },
    })
    expect(await call('POST', '/v1/peers', { json: { peerId: engine.peerId } })).toMatchObject({
      status: 422,
      body: { code: 'self_dial' },
    })
    expect(await call('POST', '/v1/peers', { json: { peerId: 'nobody' } })).toMatchObject({
      status: 400,
      body: { code: 'invalid_peer_id' },
    })
    const both = { peerId: third.peerId, multiaddr: third.address }
    expect(await call('POST', '/v1/peers', { json: both })).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  })
})

test('nobody to ask is told, and can be tried again', async () => {
  const { call } = await appForTest()
  for (const [method, path] of [
    ['GET', `/v1/dht/values?key=${key}`],
    ['GET', `/v1/dht/providers/${cid}`],
    ['POST', `/v1/dht/providers/${cid}`],
    ['GET', `/v1/dht/peers/${stranger}`],
    ['GET', `/v1/dht/closest?key=${key}`],
  ] as const) {
    const answer = await call(method, path, { headers: { accept: 'application/x-ndjson' } })
    expect(answer).toMatchObject({ status: 503, body: { code: 'dht_unavailable', retryable: true } })
  }
})

test('timeoutMs ends the wait: a value with an error, a list with what was found', async () => {
  const found = { peerId: stranger, multiaddrs: [] }
  const never = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const { engine } = await appForTest()
  const slow = createDht(
    { limits: { dhtTimeoutMs: 30_000 }, peerId: engine.peerId },
    {
      routing: {
        ...engine.routing,
        get: (_key, { signal }) => never(signal),
        async *findProviders(_cid, { signal }) {
          yield found
          await never(signal)
        },
      },
    },
  )
  const { call } = await appForTest({ components: { dht: slow } })
  expect(await call('GET', `/v1/dht/values?key=${key}&timeoutMs=50`)).toMatchObject({
    status: 504,
    body: { code: 'dht_timeout', retryable: true },
  })
  expect((await call('GET', `/v1/dht/providers/${cid}?timeoutMs=50`)).body).toEqual({ items: [found] })
  expect(await call('GET', `/v1/dht/values?key=${key}&timeoutMs=x`)).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
})
