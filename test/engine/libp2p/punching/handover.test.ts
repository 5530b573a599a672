import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createHandover } from '../../../../src/engine/libp2p/punching/handover.ts'
import { startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'
import { silentLog } from '../../../fixtures/log.ts'

const requestTimeoutMs = 30_000
const gossip = '/meshsub/1.2.0'

function stream(protocol: string) {
  return Object.assign(new EventTarget(), { protocol, status: 'open', direction: 'inbound' }) as EventTarget & Stream
}

function end(one: Stream): void {
  one.status = 'closed'
  one.dispatchEvent(new Event('close'))
}

/** A connection on which the peer does not answer pings, unless `newStream` is given. */
function connection(
  direct: boolean,
  streams: Stream[] = [],
  newStream: Connection['newStream'] = async () => await Promise.reject(new Error()),
) {
  const close = vi.fn(async () => undefined)
  const abort = vi.fn()
  const remoteAddr = multiaddr('/ip4/11.0.0.1/tcp/1')
  const parts = { remotePeer: Object('the other'), remoteAddr, direct, status: 'open', streams, newStream, close, abort }
  return Object.assign(new EventTarget(), parts) as EventTarget & Connection & { close: typeof close; abort: typeof abort }
}

/** What the peer has told on a connection. */
const told = (connection: Connection, agentVersion = 'peergate/1.0.0') => ({ connection, agentVersion })

function handover(...connections: Connection[]) {
  const isLasting = (protocol: string) => protocol === gossip
  const leaveMeshes = vi.fn(async () => undefined)
  const made = createHandover(
    { limits: { requestTimeoutMs } },
    { connectionsTo: () => connections, isLasting, leaveMeshes, logger: silentLog },
  )
  return { ...made, leaveMeshes }
}
const settle = async () => await vi.advanceTimersByTimeAsync(0)

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

test('a relayed connection stays while the peer has answered on no other', async () => {
  const relayed = connection(false)
  handover(relayed, connection(true)).answered(told(relayed))
  await settle()
  expect(relayed.close).not.toHaveBeenCalled()
})

test('it closes once, when the requests on it are done, and does not wait for gossip', async () => {
  const [first, second] = [stream('/peergate/request/1.0.0'), stream('/peergate/history/1.0.0')]
  const relayed = connection(false, [stream(gossip), first, second])
  const direct = connection(true)
  const { answered } = handover(relayed, direct)
  answered(told(direct))
  answered(told(direct))
  await settle()
  end(second)
  await settle()
  expect(relayed.close).not.toHaveBeenCalled()
  end(first)
  await settle()
  expect(relayed.close).toHaveBeenCalledOnce()
  expect(direct.close).not.toHaveBeenCalled()
})

test('the relayed connection of a peer that reads no log closes five seconds after the last message on it, when the meshes were left', async () => {
  const messages = stream(gossip)
  const relayed = connection(false, [messages])
  const direct = connection(true)
  const { answered, leaveMeshes } = handover(relayed, direct)
  const left = Promise.withResolvers<undefined>()
  leaveMeshes.mockReturnValue(left.promise)
  answered(told(direct, 'go-libp2p/0.51.0'))
  for (let round = 0; round < 10; round++) {
    await vi.advanceTimersByTimeAsync(4_999)
    messages.dispatchEvent(new Event('message'))
  }
  await vi.advanceTimersByTimeAsync(4_999)
  expect(leaveMeshes).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(leaveMeshes).toHaveBeenCalledOnce()
  expect(relayed.close).not.toHaveBeenCalled()
  left.resolve(undefined)
  await settle()
  expect(relayed.close).toHaveBeenCalledOnce()
})

test('a gossip stream that the peer opens meanwhile keeps it as well', async () => {
  const streams: Stream[] = []
  const relayed = connection(false, streams)
  const direct = connection(true)
  handover(relayed, direct).answered(told(direct, 'rust-libp2p/0.47.0'))
  await vi.advanceTimersByTimeAsync(2_000)
  const messages = stream(gossip)
  streams.push(messages)
  for (let seconds = 0; seconds < 10; seconds++) {
    await vi.advanceTimersByTimeAsync(1_000)
    messages.dispatchEvent(new Event('message'))
  }
  await vi.advanceTimersByTimeAsync(4_999)
  expect(relayed.close).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(relayed.close).toHaveBeenCalledOnce()
})

test('it closes after a minute when messages never stop', async () => {
  const messages = stream(gossip)
  const relayed = connection(false, [messages])
  const direct = connection(true)
  handover(relayed, direct).answered(told(direct, 'go-libp2p/0.51.0'))
  for (let seconds = 0; seconds < 60; seconds++) {
    expect(relayed.close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1_000)
    messages.dispatchEvent(new Event('message'))
  }
  expect(relayed.close).toHaveBeenCalledOnce()
})

test('the meshes of a peer that reads the log are not left', async () => {
  const relayed = connection(false, [stream(gossip)])
  const direct = connection(true)
  const { answered, leaveMeshes } = handover(relayed, direct)
  answered(told(direct))
  await settle()
  expect(relayed.close).toHaveBeenCalledOnce()
  expect(leaveMeshes).not.toHaveBeenCalled()
})

test('it closes after requestTimeoutMs whatever is on it', async () => {
  const relayed = connection(false, [stream('/peergate/request/1.0.0')])
  const direct = connection(true)
  handover(relayed, direct).answered(told(direct))
  await vi.advanceTimersByTimeAsync(requestTimeoutMs - 1)
  expect(relayed.close).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(relayed.close).toHaveBeenCalledOnce()
})

test('it stays until the peer has answered a ping on it: what the peer sent before may be on its way', async () => {
  const opening = Promise.withResolvers<Stream>()
  const relayed = connection(false, [], () => opening.promise)
  const direct = connection(true)
  handover(relayed, direct).answered(told(direct))
  await settle()
  expect(relayed.close).not.toHaveBeenCalled()
  opening.reject(new Error('the answer'))
  await settle()
  expect(relayed.close).toHaveBeenCalledOnce()
})

test('one that closes by itself is left alone, also while its gossip is waited for', async () => {
  const direct = connection(true)
  const closing = connection(false)
  closing.status = 'closing'
  const relayed = connection(false, [stream(gossip)])
  const { answered, leaveMeshes } = handover(closing, relayed, direct)
  answered(told(direct, 'go-libp2p/0.51.0'))
  await settle()
  relayed.status = 'closed'
  relayed.dispatchEvent(new Event('close'))
  await settle()
  expect(vi.getTimerCount()).toBe(0)
  for (const used of [leaveMeshes, relayed.close, closing.close]) expect(used).not.toHaveBeenCalled()
})

test('messages of this node do not keep it', async () => {
  const own = Object.assign(stream(gossip), { direction: 'outbound' })
  const relayed = connection(false, [own])
  const direct = connection(true)
  handover(relayed, direct).answered(told(direct, 'go-libp2p/0.51.0'))
  await vi.advanceTimersByTimeAsync(4_999)
  own.dispatchEvent(new Event('message'))
  await vi.advanceTimersByTimeAsync(1)
  expect(relayed.close).toHaveBeenCalledOnce()
})

test('a peer that opens its streams late has its meshes left at once, and answers a ping before the connection closes', async () => {
  const pings = [Promise.withResolvers<Stream>(), Promise.withResolvers<Stream>()]
  let pinged = 0
  const relayed = connection(false, [stream(gossip)], async () => await (pings[pinged++]?.promise ?? Promise.reject(new Error())))
  const direct = connection(true)
  const { answered, leaveMeshes } = handover(relayed, direct)
  answered(told(direct, 'js-libp2p/3.1.0'))
  pings[0]?.reject(new Error('the answer'))
  await settle()
  expect(leaveMeshes).toHaveBeenCalledOnce()
  expect(relayed.close).not.toHaveBeenCalled()
  pings[1]?.reject(new Error('the answer'))
  await settle()
  expect(relayed.close).toHaveBeenCalledOnce()
})

test('one that does not close is cut', async () => {
  const relayed = connection(false)
  const direct = connection(true)
  relayed.close.mockRejectedValue(new Error('the relay is gone'))
  handover(relayed, direct).answered(told(direct))
  await settle()
  expect(relayed.abort).toHaveBeenCalledOnce()
})

test('a request on its way and gossip survive that a relayed link becomes direct', async () => {
  vi.useRealTimers()
  const signal = AbortSignal.timeout(60_000)
  const received: string[] = []
  const relay = await startedLibp2pEngine({ relay: true })
  const target = await startedLibp2pEngine({
    listen: ['/ip4/127.0.0.1/tcp/0', '/p2p-circuit'],
    inbound: {
      async onMessage({ data }) {
        received.push(Buffer.from(data).toString())
        return 'accept'
      },
    },
  })
  const opener = await startedLibp2pEngine()
  const [toRelay = ''] = await relay.multiaddrs()
  await target.dial(toRelay, { source: 'rest', signal })
  const addressOf = async (isRelayed: boolean) =>
    (await target.multiaddrs()).find((address) => address.includes('/p2p-circuit') === isRelayed && !address.includes('quic')) ?? ''
  await expect.poll(() => addressOf(true)).not.toBe('')
  await opener.dial(await addressOf(true), { source: 'rest', signal })
  await target.subscribe('orders')
  await expect.poll(() => opener.subscribers('orders')).toEqual([target.peerId])
  const answered = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  await target.handle(
    '/peergate/test/1.0.0',
    async ({ body }) => {
      asked.resolve()
      await answered.promise
      return body
    },
    { maxRequestBytes: 1_000, maxConcurrent: 10 },
  )
  const answer = opener.request(target.peerId, '/peergate/test/1.0.0', Buffer.from('question'), { signal, maxAnswerBytes: 1_000 })
  await asked.promise
  const send = async (data: string) => (await opener.send(await opener.sign([{ topic: 'orders', data: Buffer.from(data) }])))[0]
  expect(await send('relayed')).toBe(1)
  await opener.dial(await addressOf(false), { source: 'rest', signal })
  const path = async () => (await opener.peers()).find(({ peerId }) => peerId === target.peerId)?.path.by
  await expect.poll(path).toBe('tcp')
  answered.resolve()
  expect(Buffer.from(await answer).toString()).toBe('question')
  // What is sent while the relayed streams end may be lost with them: the log would feed it, and there is none here.
  await expect.poll(() => relay.networks[0]?.reachCounts.circuits).toBe(0)
  // The link goes on without the relay.
  await relay.stop()
  await expect.poll(() => opener.subscribers('orders')).toEqual([target.peerId])
  // The log feeds a neighbour that may have lost messages with a stream, until it is up to date.
  await expect.poll(() => opener.stragglers?.settle(target.peerId)).toBe(true)
  expect(await send('direct')).toBe(1)
  await expect.poll(() => received).toContain('direct')
  expect(received).toContain('relayed')
})
