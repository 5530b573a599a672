import { randomBytes } from 'node:crypto'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { dhtModes } from '../../../src/engine/libp2p/dht/dht.ts'
import { createRequestTurns } from '../../../src/engine/libp2p/dht/request-turns.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { field, sized } from '../../fixtures/protobuf.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

/** Counts turns of the event loop until the test ends. */
function loopTurns(): { readonly count: number } {
  const turns = { count: 0 }
  let isOver = false
  const next = () => {
    turns.count++
    if (!isOver) setImmediate(next)
  }
  setImmediate(next)
  onTestFinished(() => {
    isOver = true
  })
  return turns
}

/** A request FIND_NODE for a random key. */
const findNode = () => sized(Buffer.concat([Buffer.of(8, 4), field(2, randomBytes(32))]))

test('DHT requests that a peer has sent at once do not stop the event loop: other work runs after each four', async () => {
  const gateway = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const peer = await stockNode()
  const connection = await peer.dial(multiaddr((await gateway.multiaddrs())[0] ?? ''))
  const requests = 200
  const streams = await Promise.all(Array.from({ length: 8 }, () => connection.newStream(dhtModes.lan.protocol)))
  const turns = loopTurns()
  let answers = 0
  for (const stream of streams) {
    stream.addEventListener('message', () => answers++)
    stream.send(Buffer.concat(Array.from({ length: requests / streams.length }, findNode)))
  }
  await expect.poll(() => answers, { timeout: 20_000 }).toBeGreaterThanOrEqual(requests / streams.length)
  expect(turns.count).toBeGreaterThan(answers / 4)
})

test('an address with hundreds of waiting requests keeps another one waiting for a few of them', async () => {
  const turns = createRequestTurns({ perSecond: 200 })
  let answered = 0
  const answer = async (host: string) => {
    using _place = await turns.take(host)
    answered++
  }
  const greedy = Promise.all(Array.from({ length: 400 }, () => answer('greedy')))
  await expect.poll(() => answered).toBeGreaterThanOrEqual(200)
  const before = answered
  await answer('modest')
  expect(answered - before).toBeLessThan(20)
  await greedy
})

test('an address has a bounded number of waiting requests, which leaves others room', async () => {
  const turns = createRequestTurns({ perSecond: 1_000, maxAnswered: 4, maxWaiting: 16 })
  let refused = 0
  for (let count = 0; count < 100; count++) turns.take('greedy').catch(() => refused++)
  await expect.poll(() => refused).toBeGreaterThan(80)
  await turns.take('modest')
})
