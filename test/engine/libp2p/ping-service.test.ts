import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { pingBytes, pingProtocol } from '../../../src/engine/libp2p/ping.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

const listen = ['/ip4/127.0.0.1/tcp/0']

test('a stream whose pings do not wait for their answers ends', async () => {
  const gateway = await startedLibp2pEngine({ listen })
  const peer = await stockNode()
  const connection = await peer.dial(multiaddr((await gateway.multiaddrs())[0] ?? ''))
  const stream = await connection.newStream(pingProtocol)
  const answered = new Promise<boolean>((resolve) => {
    stream.addEventListener('message', () => resolve(true))
    stream.addEventListener('close', () => resolve(false))
  })
  stream.send(Buffer.alloc(8_192))
  expect(await answered).toBe(false)
})

test('a peer pings as often as it likes, one after the other', async () => {
  const gateway = await startedLibp2pEngine({ listen })
  const peer = await stockNode()
  const connection = await peer.dial(multiaddr((await gateway.multiaddrs())[0] ?? ''))
  const stream = await connection.newStream(pingProtocol)
  let received = 0
  stream.addEventListener('message', ({ data }) => {
    received += data.byteLength
    if (received % pingBytes === 0 && received < 500 * pingBytes) stream.send(Buffer.alloc(pingBytes))
  })
  stream.send(Buffer.alloc(pingBytes))
  await expect.poll(() => received).toBe(500 * pingBytes)
  expect(stream.status).toBe('open')
})
