import { expect, onTestFinished, test } from 'vitest'
import { hostileLibp2pPeer } from '../../fixtures/hostile-libp2p-peer.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { field, sized } from '../../fixtures/protobuf.ts'

const subscribe = (topic: string) => sized(field(1, Buffer.concat([Buffer.of(8, 1), field(2, topic)])))

/** Exceptions that nobody catches, each of which ends a gateway. */
function uncaught(): unknown[] {
  const errors: unknown[] = []
  const note = (error: unknown) => errors.push(error)
  process.on('uncaughtException', note)
  onTestFinished(() => void process.off('uncaughtException', note))
  return errors
}

test('a peer that ends its link while it is held back ends nothing else', async () => {
  const errors = uncaught()
  const held = Promise.withResolvers<void>()
  const room = () => {
    held.resolve()
    return new Promise<void>(() => undefined)
  }
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'], inbound: { onMessage: async () => 'accept', room } })
  const [address = ''] = await engine.multiaddrs()
  const peer = await hostileLibp2pPeer(address)
  const stream = await peer.connection.newStream(['/meshsub/1.1.0'])
  stream.send(subscribe('orders'))
  await held.promise
  // A window is extended only by what was received since.
  stream.send(subscribe('news'))
  // Like a process that is killed: the socket ends, and nothing is said before.
  await peer.below.close()
  await expect.poll(async () => (await engine.peers()).length).toBe(0)
  expect(errors).toEqual([])
})
