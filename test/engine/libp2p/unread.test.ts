import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { hostileLibp2pPeer } from '../../fixtures/hostile-libp2p-peer.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { yamuxFrames, yamuxTypes } from '../../fixtures/yamux-frames.ts'

/** The length of an RPC of gossip of 2 MiB. */
const rpcLength = Buffer.of(0xff, 0xff, 0x7f)

test('a peer that makes this node write, and does not read, is cut', async () => {
  // So slowly, by its clock, that this node does not take the frames for a flood.
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'], limits: { maxPubsubBufferBytes: 65_536 } })
  const [address = ''] = await engine.multiaddrs()
  const { connection, below } = await hostileLibp2pPeer(address)
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  const stream = await connection.newStream(['/meshsub/1.1.0'])
  stream.send(rpcLength)
  // Each is answered by an update of the window.
  const single = yamuxFrames(1_000, { type: yamuxTypes.data, length: 1, streamOf: () => Number(stream.id) })
  below.pause()
  // More than the buffers of both ends' systems hold.
  for (let sent = 0; sent < 1_000 && below.status === 'open'; await nextTurn()) {
    if (below.writeBufferLength > 1_000_000) continue
    vi.advanceTimersByTime(100)
    below.send(single)
    sent++
  }
  await expect.poll(() => engine.peers()).toEqual([])
  expect(engine.limitsReached.unread_link).toBe(1)
})
