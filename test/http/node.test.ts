import { expect, onTestFinished, test } from 'vitest'
import { findingExample } from '../../src/http/examples.ts'
import { fullGrant } from '../../src/model/grant.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { appForTest } from './app-for-test.ts'

test('GET /v1/node shows peer ids that two nodes answer with, and none where all is well', async () => {
  const { call, engine } = await appForTest()
  expect((await call('GET', '/v1/node')).body.identityConflicts).toEqual([])
  const multiaddrs = ['/ip4/192.0.2.9/tcp/7071/ws']
  Object.assign(engine, { conflicts: async () => [{ peerId: engine.peerId, multiaddrs, toldBy: null, lastSeenAt: 0 }] })
  expect((await call('GET', '/v1/node')).body.identityConflicts).toEqual([
    { peerId: engine.peerId, multiaddrs, toldBy: null, lastSeen: '1970-01-01T00:00:00.000Z' },
  ])
})

test('GET /v1/node/findings examines the gateway, for those who administer it', async () => {
  const { call } = await appForTest({
    components: { diagnosis: { findings: async () => [findingExample], sawForwarding: () => undefined } },
  })
  expect((await call('GET', '/v1/node/findings')).body).toEqual({ findings: [findingExample] })
  const reader = { ...fullGrant('reader'), actions: new Set(['read'] as const) }
  const admit = async () => reader
  const forReader = await appForTest({ components: { access: { admit, admitSession: admit } } })
  expect((await forReader.call('GET', '/v1/node/findings')).status).toBe(403)
})

test('requests that a proxy has forwarded are told, unless the proxy is a trusted one', async () => {
  const seen: string[] = []
  const diagnosis = { findings: async () => [], sawForwarding: (address: string) => void seen.push(address) }
  for (const trustedProxies of [[], ['127.0.0.1']]) {
    const { call } = await appForTest({ trustedProxies, components: { diagnosis } })
    await call('GET', '/healthz')
    await call('GET', '/healthz', { headers: { 'x-forwarded-for': '192.0.2.7' } })
  }
  expect(seen).toEqual(['127.0.0.1'])
})

test('GET /v1/node tells what the gateway can do: by its engine, and by its configuration', async () => {
  const { call, engine } = await appForTest()
  expect((await call('GET', '/v1/node')).body.capabilities).toEqual({
    ...engine.capabilities,
    encodings: ['utf8', 'base64', 'json'],
    subprotocols: ['peergate.v1.json', 'peergate.v1.cbor'],
    catchUp: true,
    streamCompression: false,
    identityProvider: false,
  })
  const configured = await memoryGateway(createMemoryNetwork(), {}, createMemoryStore(), { streamCompression: true })
  onTestFinished(() => configured.stop())
  expect((await configured.node()).capabilities.streamCompression).toBe(true)
})
