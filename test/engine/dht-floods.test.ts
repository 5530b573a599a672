import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { encode } from 'cborg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { dhtProtocol } from '../../src/engine/custom/dht/dht.ts'
import { encodeFrame } from '../../src/engine/custom/dht/frames.ts'
import { frameTypes } from '../../src/engine/custom/link/frame-types.ts'
import { createRequestTurns } from '../../src/engine/dht-request-turns.ts'
import { dhtModes } from '../../src/engine/libp2p/dht/dht.ts'
import { startedCustomEngine } from '../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'
import { field, sized } from '../fixtures/protobuf.ts'
import { openLinkedPeer, type RawPeer, webSocketUrl } from '../fixtures/raw-peer.ts'
import { stockNode } from '../fixtures/stock-node.ts'

const never = new AbortController().signal

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

test('on the custom engine, too, peers of one address have one rate, whatever their ids', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const gateway = await startedCustomEngine()
  const url = webSocketUrl(await gateway.multiaddrs())
  const ofEach = 400
  let answers = 0

  /** Asks without a pause, for no more at a time than the gateway answers. */
  async function ask(): Promise<RawPeer> {
    let sent = 0
    const sendNext = () => {
      if (sent === ofEach) return
      const body = encodeFrame({ type: 'find-node', place: randomBytes(32) })
      const id = Buffer.alloc(4)
      id.writeUInt32BE(++sent)
      peer.channel.write(frameTypes.request, encode({ id: sent, protocol: dhtProtocol, length: body.length }))
      peer.channel.write(frameTypes.requestBody, id, body)
    }
    const onFrame = (type: number) => {
      if (type !== frameTypes.answer) return
      answers++
      sendNext()
    }
    const peer = await openLinkedPeer(url, { onFrame })
    for (let first = 0; first < 10; first++) sendNext()
    return peer
  }

  using peers = new DisposableStack()
  for (let peer = 0; peer < 3; peer++) peers.use(await ask())
  // Looking again and again would let the faked time pass.
  for (let quiet = 0, before = answers; quiet < 500; before = answers) {
    await nextTurn()
    quiet = answers === before ? quiet + 1 : 0
  }
  expect(answers).toBe(1_000)
  vi.advanceTimersByTime(1_000)
  await expect.poll(() => answers).toBe(3 * ofEach)
})

test('an address with hundreds of waiting requests keeps another one waiting for a few of them', async () => {
  const turns = createRequestTurns({ perSecond: 200 })
  let answered = 0
  const answer = async (host: string) => {
    using _place = await turns.take(host, never)
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
  for (let count = 0; count < 100; count++) turns.take('greedy', never).catch(() => refused++)
  await expect.poll(() => refused).toBeGreaterThan(80)
  await turns.take('modest', never)
})

test('requests of a peer that has left do not wait on: what they have taken up is free, and none uses the rate', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const turns = createRequestTurns({ perSecond: 10, maxAnswered: 1, maxWaiting: 16 })
  const left = new AbortController()
  using place = await turns.take('gone', never)
  // Some wait for the place, the others for the rate.
  const waiting = Array.from({ length: 12 }, () => turns.take('gone', left.signal))
  const settled = Promise.allSettled(waiting)
  await nextTurn()
  left.abort(new Error('the link has ended'))
  expect((await settled).map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => 'rejected'))
  await expect(turns.take('gone', left.signal)).rejects.toThrow('the link has ended')
  place[Symbol.dispose]()
  using _next = await turns.take('modest', never)
})
