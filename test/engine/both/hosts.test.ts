import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'

test.each<[string, () => Promise<P2PEngine>]>([
  ['custom', () => startedCustomEngine({ dialOwnHost: true })],
  ['libp2p', () => startedLibp2pEngine({ dialOwnHost: true, listen: ['/ip4/127.0.0.1/tcp/0'] })],
])('the %s engine tells of each peer the address that peers there share', async (_, started) => {
  const [node, ...others] = await Promise.all([started(), started(), started()])
  const [address = ''] = await node.multiaddrs()
  for (const other of others) await other.dial(address, { source: 'rest', signal: AbortSignal.timeout(20_000) })
  await expect.poll(async () => (await node.peers()).map(({ host }) => host)).toEqual(['127.0.0.1', '127.0.0.1'])
})
