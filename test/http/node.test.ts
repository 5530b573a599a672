import { expect, onTestFinished, test } from 'vitest'
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
