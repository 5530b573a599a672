import { expect, test } from 'vitest'
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
