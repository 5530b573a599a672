import { setImmediate as nextTurn } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createConnectionMonitor } from '../../../src/engine/libp2p/connection-monitor.ts'
import { standStill } from '../../fixtures/stand-still.ts'

const limits = { silentLinkMs: 30_000 }
const silent = async () => await Promise.withResolvers<never>().promise
const refused = async () => await Promise.reject(new Error('the peer has reset the stream'))

async function somePeer(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

/** A stream whose other end sends back what it gets, after a time. */
function echo(afterMs: number): Stream {
  let sent: Uint8Array = Buffer.alloc(0)
  const stream = {
    ...{ status: 'open', writeStatus: 'writable', abort: () => undefined, close: async () => undefined },
    send(bytes: Uint8Array) {
      sent = bytes
    },
    async *[Symbol.asyncIterator]() {
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      yield sent
    },
  }
  return stream as unknown as Stream
}

/** A connection, and when its other end was heard last. */
function connection(remotePeer: PeerId, ping: () => Promise<Stream>, direct = true) {
  const abort = vi.fn(() => {
    parts.status = 'closed'
  })
  const newStream = vi.fn((_protocols: string[], { signal }: { signal: AbortSignal }) =>
    Promise.race([
      ping(),
      new Promise<never>((_resolve, reject) => void signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    ]),
  )
  const parts = { remotePeer, direct, status: 'open', newStream, abort, heardAt: performance.now() }
  return parts as unknown as Connection & typeof parts
}

function monitor(...connections: ReturnType<typeof connection>[]) {
  return monitorWith(limits, ...connections)
}

function monitorWith(limits: { silentLinkMs: number }, ...connections: ReturnType<typeof connection>[]) {
  const heardAt = (each: Connection) => connections.find((other) => other === each)?.heardAt ?? 0
  const made = createConnectionMonitor({ limits }, { connections: () => connections, signsOfLife: { heardAt } })
  onTestFinished(() => made.stop())
  made.start()
  return made
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('closes a connection on which nothing comes after a ping', async () => {
  const mute = connection(await somePeer(), silent)
  monitor(mute)
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs - 1)
  expect(mute.abort).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(mute.abort).toHaveBeenCalledOnce()
})

test('keeps a connection whose other end refuses pings, or is too busy for them, while anything else comes', async () => {
  const [refusing, busy] = [connection(await somePeer(), refused), connection(await somePeer(), silent)]
  monitor(refusing, busy)
  for (let passedMs = 0; passedMs < 10 * limits.silentLinkMs; passedMs += 5_000) {
    await vi.advanceTimersByTimeAsync(5_000)
    refusing.heardAt = performance.now()
    busy.heardAt = performance.now()
  }
  for (const each of [refusing, busy]) {
    expect(each.newStream.mock.calls.length).toBeGreaterThan(5)
    expect(each.abort).not.toHaveBeenCalled()
  }
})

test('closes a connection on which pings fail at once, and nothing else comes', async () => {
  const ended = connection(await somePeer(), refused)
  monitor(ended)
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs - 1)
  expect(ended.newStream).toHaveBeenCalledTimes(3)
  expect(ended.abort).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(ended.abort).toHaveBeenCalledOnce()
})

test.each([
  ['alone', []],
  ['while the peer is heard on another', [null]],
])('keeps a connection, %s, when the process stands still for longer: what has come is not read yet', async (_, others) => {
  vi.useRealTimers()
  const peer = await somePeer()
  const other = connection(peer, silent)
  const slow = connection(peer, async () => {
    await nextTurn()
    other.heardAt = performance.now()
    standStill(700)
    // Timers that are due come before the next event.
    await nextTurn()
    slow.heardAt = performance.now()
    return echo(0)
  })
  monitorWith({ silentLinkMs: 900 }, slow, ...others.map(() => other))
  await expect.poll(() => slow.newStream.mock.calls.length, { timeout: 20_000 }).toBeGreaterThan(2)
  expect(slow.abort).not.toHaveBeenCalled()
})

test('closes a connection that stays mute while the peer is heard on another, sooner, and all dead ones of a peer together', async () => {
  const [moved, gone] = [await somePeer(), await somePeer()]
  const [lost, heard] = [connection(moved, silent), connection(moved, refused)]
  // Its pings wait, but it is heard; and one that refuses pings, which is no sign of a lost way.
  const [busy, refusing] = [connection(moved, silent), connection(moved, refused)]
  const dead = [connection(gone, silent), connection(gone, silent), connection(gone, silent)]
  monitor(lost, heard, busy, refusing, ...dead)
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 3 + 1)
  heard.heardAt = performance.now()
  busy.heardAt = performance.now()
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 6)
  expect(lost.abort).toHaveBeenCalledOnce()
  for (const each of [heard, busy, refusing, ...dead]) expect(each.abort).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 2)
  for (const each of dead) expect(each.abort).toHaveBeenCalledOnce()
  expect(lost.abort).toHaveBeenCalledOnce()
})

test('a relayed connection that is slower than a direct one has not lost its way: what the peer has sent there is still read', async () => {
  const peer = await somePeer()
  const [relayed, lost] = [connection(peer, silent, false), connection(peer, silent)]
  const direct = connection(peer, refused)
  monitor(relayed, lost, direct)
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 3 + 1)
  direct.heardAt = performance.now()
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 3)
  expect(lost.abort).toHaveBeenCalledOnce()
  relayed.heardAt = performance.now()
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 3)
  expect(relayed.abort).not.toHaveBeenCalled()
})

test('a relayed connection that stays mute while the peer is heard through a relay is closed', async () => {
  const peer = await somePeer()
  const [lost, other] = [connection(peer, silent, false), connection(peer, refused, false)]
  monitor(lost, other)
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 3 + 1)
  other.heardAt = performance.now()
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 6)
  expect(lost.abort).toHaveBeenCalledOnce()
  expect(other.abort).not.toHaveBeenCalled()
})

test('pings open connections only, one ping at a time on each, and measures the round trip', async () => {
  const peer = await somePeer()
  const [waiting, near] = [connection(peer, silent), connection(peer, async () => echo(7))]
  const closing = Object.assign(connection(peer, silent), { status: 'closing' })
  monitor(waiting, near, closing)
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs - 1)
  expect([waiting, near, closing].map(({ newStream }) => newStream.mock.calls.length)).toEqual([1, 3, 0])
  expect(near.rtt).toBe(7)
})

test('pings as often when it is started twice; a stop waits for pings, ends no connection, and is the end of pings', async () => {
  const peer = await somePeer()
  const opening = Promise.withResolvers<Stream>()
  const [refusing, mute] = [connection(peer, refused), connection(await somePeer(), silent)]
  const slow = Object.assign(connection(peer, silent), { newStream: () => opening.promise })
  const made = monitor(refusing, mute, slow)
  made.start()
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 3)
  expect(refusing.newStream).toHaveBeenCalledOnce()
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs / 2)
  const asked = refusing.newStream.mock.calls.length
  let isStopped = false
  const stopped = made.stop().then(() => {
    isStopped = true
  })
  await vi.advanceTimersByTimeAsync(0)
  expect([isStopped, mute.abort.mock.calls.length]).toEqual([false, 0])
  opening.reject(new Error('the stream was not opened'))
  await stopped
  await vi.advanceTimersByTimeAsync(limits.silentLinkMs)
  expect(refusing.newStream).toHaveBeenCalledTimes(asked)
})
