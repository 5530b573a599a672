import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'

const signal = AbortSignal.timeout(600_000)
const listen = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']
/** Who has another key hears noise, and says nothing. */
const limits = { dialTimeoutMs: 5_000 }
const ours = 'a0'.repeat(32)

async function dial(from: P2PEngine, to: P2PEngine, transport: RegExp): Promise<string> {
  const address = (await to.multiaddrs()).find((text) => transport.test(text)) ?? ''
  return (await from.dial(address, { source: 'rest', signal })).peerId
}

test.each([/tcp\/\d+\/p2p/, /\/ws\//])('nodes with the same key are linked (%s), and no others', async (transport) => {
  const [first, second] = await Promise.all([0, 1].map(() => startedLibp2pEngine({ listen, limits, privateNetworkKey: ours })))
  const [foreign, open] = await Promise.all([
    startedLibp2pEngine({ listen, limits, privateNetworkKey: 'b1'.repeat(32) }),
    startedLibp2pEngine({ listen, limits }),
  ])
  if (first === undefined || second === undefined) throw new Error('no nodes')
  expect(await dial(first, second, transport)).toBe(second.peerId)
  const attempts = [foreign, open].flatMap((outsider) => [dial(first, outsider, transport), dial(outsider, first, transport)])
  await Promise.all(attempts.map((attempt) => expect(attempt).rejects.toThrow(/could not be dialled/)))
  expect((await first.peers()).map(({ peerId }) => peerId)).toEqual([second.peerId])
})
