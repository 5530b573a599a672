import { expect, test } from 'vitest'
import { appForTest, neighbour } from './app-for-test.ts'

const stranger = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'

test('dials a peer and shows it', async () => {
  const { call, network } = await appForTest()
  const { peerId, address } = await neighbour(network)
  const dialled = await call('POST', '/v1/peers', { json: { multiaddr: address } })
  expect(dialled).toMatchObject({
    status: 201,
    headers: { location: `/v1/peers/${peerId}` },
    body: { peerId, state: 'connected', direction: 'outbound', path: 'tcp', via: null, multiaddrs: [address], label: null },
  })
  expect(await call('GET', `/v1/peers/${peerId}`)).toMatchObject({ status: 200, body: { peerId, state: 'connected' } })
  expect((await call('POST', '/v1/peers', { json: { multiaddr: address } })).status).toBe(201)
})

test.each([
  [{ multiaddr: 'nonsense' }, 400, 'invalid_multiaddr'],
  [{ multiaddr: '' }, 400, 'invalid_multiaddr'],
  [{ multiaddr: '/ip4/999.0.0.1/tcp/1' }, 400, 'invalid_multiaddr'],
  [{ multiaddr: '/ip4/127.0.0.1/tcp/1/p2p/me' }, 400, 'invalid_multiaddr'],
  [{ multiaddr: '/dns4/a\ud800b/tcp/1/ws' }, 400, 'invalid_multiaddr'],
  [{ multiaddr: 'ws://a.example:1/\ud800' }, 400, 'invalid_multiaddr'],
  [{ multiaddr: '/dns4/a\ufffdb/tcp/1/ws' }, 400, 'invalid_multiaddr'],
  [{ multiaddr: `/dns4/${'x'.repeat(1_100)}` }, 400, 'invalid_request'],
  [{}, 400, 'invalid_request'],
  [{ multiaddr: '/memory/nobody', label: 'x' }, 400, 'invalid_request'],
  [{ multiaddr: '/memory/nobody' }, 502, 'dial_failed'],
])('refuses to dial %j with %s %s and knows nobody afterwards', async (json, status, code) => {
  const { call } = await appForTest()
  expect(await call('POST', '/v1/peers', { json })).toMatchObject({ status, body: { code } })
  expect((await call('GET', '/v1/peers')).body).toEqual({ items: [], next: null })
})

test('says which address failed and why', async () => {
  const { call } = await appForTest()
  const { body } = await call('POST', '/v1/peers', { json: { multiaddr: '/memory/nobody' } })
  expect(body).toMatchObject({ retryable: true, errors: [{ path: '', multiaddr: '/memory/nobody', message: 'nobody listens there' }] })
})

test('lists peers by state and topic, page by page', async () => {
  const { call, network } = await appForTest()
  const connected = await neighbour(network, ['orders'])
  const known = await neighbour(network)
  await call('PUT', '/v1/topics/orders')
  for (const { address } of [connected, known]) await call('POST', '/v1/peers', { json: { multiaddr: address } })
  await call('DELETE', `/v1/peers/${known.peerId}`)
  await call('PATCH', `/v1/peers/${stranger}`, { json: { blocked: true } })

  const ids = async (query: string) => (await call('GET', `/v1/peers${query}`)).body.items.map(({ peerId }: { peerId: string }) => peerId)
  const everybody = [connected.peerId, known.peerId, stranger].toSorted()
  expect(await ids('')).toEqual(everybody)
  expect(await ids('?state=connected')).toEqual([connected.peerId])
  expect(await ids('?state=known')).toEqual([known.peerId])
  expect(await ids('?state=blocked')).toEqual([stranger])
  expect(await ids('?topic=orders')).toEqual([connected.peerId])
  expect(await ids('?topic=other')).toEqual([])
  expect(await ids('?topic=orders&state=known')).toEqual([])
  expect((await call('GET', `/v1/peers/${connected.peerId}`)).body.topics).toEqual(['orders'])

  const pages: string[] = []
  for (let after = ''; ; ) {
    const { body } = await call('GET', `/v1/peers?limit=1${after}`)
    pages.push(body.items[0].peerId)
    if (body.next === null) break
    after = `&after=${body.next}`
  }
  expect(pages).toEqual(everybody)
})

test('pings a connected peer only', async () => {
  const { call, network } = await appForTest()
  const { peerId, address } = await neighbour(network)
  expect(await call('POST', `/v1/peers/${peerId}/ping`)).toMatchObject({
    status: 409,
    body: { code: 'peer_not_connected', retryable: true },
  })
  await call('POST', '/v1/peers', { json: { multiaddr: address } })
  expect(await call('POST', `/v1/peers/${peerId}/ping`)).toMatchObject({ status: 200, body: { latencyMs: expect.any(Number) } })
  expect(await call('POST', `/v1/peers/${peerId}/ping`, { json: { times: 3 } })).toMatchObject({ status: 400 })
})

test('labels a peer, and takes the label away', async () => {
  const { call } = await appForTest()
  expect(await call('PATCH', `/v1/peers/${stranger}`, { json: { label: 'cellar' } })).toMatchObject({
    status: 200,
    body: { label: 'cellar', state: 'known' },
  })
  expect((await call('PATCH', `/v1/peers/${stranger}`, { json: { blocked: false } })).body.label).toBe('cellar')
  expect((await call('PATCH', `/v1/peers/${stranger}`, { json: { label: null } })).body.label).toBeNull()
})

test('blocks a peer: its link is closed, neither side gets a new one, until it is unblocked', async () => {
  const { call, network, engine } = await appForTest()
  const { peerId, address, dial } = await neighbour(network)
  await call('POST', '/v1/peers', { json: { multiaddr: address } })
  expect((await call('PATCH', `/v1/peers/${peerId}`, { json: { blocked: true } })).body.state).toBe('blocked')
  expect(await engine.peers()).toEqual([])
  expect(await call('POST', '/v1/peers', { json: { multiaddr: address } })).toMatchObject({ status: 409, body: { code: 'peer_blocked' } })
  const [ours = ''] = await engine.multiaddrs()
  await expect(dial(ours, { source: 'rest', signal: new AbortController().signal })).rejects.toThrow()
  await call('PATCH', `/v1/peers/${peerId}`, { json: { blocked: false } })
  expect(await call('POST', '/v1/peers', { json: { multiaddr: address } })).toMatchObject({ status: 201 })
})

test('hangs up and keeps the peer, or forgets it', async () => {
  const { call, network, engine } = await appForTest()
  const { peerId, address } = await neighbour(network)
  await call('POST', '/v1/peers', { json: { multiaddr: address } })
  expect(await call('DELETE', `/v1/peers/${peerId}`)).toMatchObject({ status: 204 })
  expect(await engine.peers()).toEqual([])
  expect((await call('GET', `/v1/peers/${peerId}`)).body.state).toBe('known')
  expect(await call('DELETE', `/v1/peers/${peerId}`)).toMatchObject({ status: 204 })

  await call('POST', '/v1/peers', { json: { multiaddr: address } })
  expect(await call('DELETE', `/v1/peers/${peerId}?forget=true`)).toMatchObject({ status: 204 })
  expect(await call('GET', `/v1/peers/${peerId}`)).toMatchObject({ status: 404, body: { code: 'peer_not_found' } })
  expect(await call('DELETE', `/v1/peers/${peerId}`)).toMatchObject({ status: 404, body: { code: 'peer_not_found' } })
})

test.each([
  ['GET', '/v1/peers/me', undefined, 400, 'invalid_peer_id'],
  ['DELETE', '/v1/peers/me', undefined, 400, 'invalid_peer_id'],
  ['POST', '/v1/peers/me/ping', undefined, 400, 'invalid_peer_id'],
  ['PATCH', '/v1/peers/me', { label: 'x' }, 400, 'invalid_peer_id'],
  ['PATCH', `/v1/peers/${stranger}`, {}, 400, 'invalid_request'],
  ['PATCH', `/v1/peers/${stranger}`, { label: 7 }, 400, 'invalid_request'],
  ['PATCH', `/v1/peers/${stranger}`, { label: '\ud800' }, 400, 'invalid_request'],
  ['PATCH', `/v1/peers/${stranger}`, { label: 'x'.repeat(201) }, 400, 'invalid_request'],
  ['PATCH', `/v1/peers/${stranger}`, { blocked: 'true' }, 400, 'invalid_request'],
  ['PATCH', `/v1/peers/${stranger}`, { blokced: true }, 400, 'invalid_request'],
  ['DELETE', `/v1/peers/${stranger}?forget=yes`, undefined, 400, 'invalid_request'],
  ['GET', '/v1/peers?state=gone', undefined, 400, 'invalid_request'],
  ['GET', '/v1/peers?topic=', undefined, 400, 'invalid_topic'],
  ['GET', '/v1/peers?after=x', undefined, 400, 'invalid_peer_id'],
  ['GET', `/v1/peers/${stranger}`, undefined, 404, 'peer_not_found'],
])('%s %s %j answers %s %s and changes nothing', async (method, path, json, status, code) => {
  const { call } = await appForTest()
  expect(await call(method, path, json === undefined ? {} : { json })).toMatchObject({ status, body: { code } })
  expect((await call('GET', '/v1/peers')).body.items).toEqual([])
})

test('does not take itself for a peer', async () => {
  const { call, engine } = await appForTest()
  expect(await call('PATCH', `/v1/peers/${engine.peerId}`, { json: { blocked: true } })).toMatchObject({
    status: 400,
    body: { code: 'invalid_peer_id' },
  })
  const [own] = await engine.multiaddrs()
  for (const json of [{ multiaddr: own }, { peerId: engine.peerId }]) {
    const refused = await call('POST', '/v1/peers', { json })
    expect(refused).toMatchObject({ status: 422, body: { code: 'self_dial', retryable: false } })
  }
})
