import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encode } from 'cborg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { subprotocol } from '../../../../src/engine/custom/link/establish.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { encodeControl } from '../../../../src/engine/custom/wire/overlay-frame.ts'
import type { P2PEngine } from '../../../../src/engine/engine.ts'
import { startedCustomEngine } from '../../../fixtures/custom-engine.ts'
import { deadline, openChannel, openSocket, urlOf } from '../../../fixtures/hostile-peer.ts'
import { helloOf, openLinkedPeer } from '../../../fixtures/raw-peer.ts'
import { standStill } from '../../../fixtures/stand-still.ts'

test('a socket that says nothing is cut at the deadline, before and after the upgrade', async () => {
  const engine = await startedCustomEngine({ limits: deadline })
  const { port, hostname } = new URL(await urlOf(engine))
  const silent: Socket = connect(Number(port), hostname)
  silent.on('error', () => undefined)
  silent.resume()
  const upgraded = await openSocket(engine)
  await Promise.all([once(silent, 'close'), once(upgraded, 'close')])
  expect(await engine.peers()).toEqual([])
})

test('silentLinkMs: a peer that was linked and is not heard any more is cut', async () => {
  const engine = await startedCustomEngine({ limits: { silentLinkMs: 300 } })
  const { channel, received, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(() => received).toContain(frameTypes.ping)
  await closed
  await expect.poll(() => engine.peers()).toEqual([])
})

test('silentLinkMs: a peer that answers keeps its link when the process stands still for longer', async () => {
  const engine = await startedCustomEngine({ limits: { silentLinkMs: 300 } })
  const peer = await openLinkedPeer(await urlOf(engine), {
    onFrame: (type, body) => void (type === frameTypes.ping && peer.channel.write(frameTypes.pong, body)),
  })
  onTestFinished(() => peer.socket.terminate())
  const pings = () => peer.received.filter((type) => type === frameTypes.ping).length
  for (let round = 0; round < 3; round++) {
    const before = pings()
    standStill(400)
    await expect.poll(pings).toBeGreaterThan(before + 1)
  }
  expect(peer.channel.isOpen).toBe(true)
  expect(await engine.peers()).toMatchObject([{ peerId: peer.peerId, latencyMs: expect.any(Number) }])
})

test('a peer that is not read, since there is no room, is not taken for silent', async () => {
  const room = new Promise<void>(() => undefined)
  const engine = await startedCustomEngine({
    limits: { silentLinkMs: 300 },
    inbound: { onMessage: async () => 'accept', room: () => room },
  })
  const { channel, received } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(() => received.filter((type) => type === frameTypes.ping).length).toBeGreaterThan(5)
  expect(channel.isOpen).toBe(true)
  expect(await engine.peers()).toHaveLength(1)
})

test('a peer that causes more work than it may is not read for a while, and then is', async () => {
  const engine = await startedCustomEngine()
  const { channel, received } = await openChannel(engine)
  const other = await openChannel(engine)
  for (const each of [channel, other.channel]) each.write(frameTypes.hello, helloOf())
  await expect.poll(() => engine.peers()).toHaveLength(2)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  for (let count = 1; count < 118; count++) channel.write(frameTypes.hello, helloOf())
  channel.write(frameTypes.ping, Buffer.alloc(8))
  other.channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => other.received).toContain(frameTypes.pong)
  expect(received).not.toContain(frameTypes.pong)
  vi.advanceTimersByTime(2_000)
  await expect.poll(() => received).toContain(frameTypes.pong)
})

test('a peer that says hello without end is cut', async () => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  for (let count = 0; count < 1_000; count++) channel.write(frameTypes.hello, helloOf())
  await closed
  await expect.poll(() => engine.peers()).toEqual([])
})

test('a peer that shakes hands and says no hello is cut at the deadline', async () => {
  const engine = await startedCustomEngine({ limits: deadline })
  const { closed } = await openChannel(engine)
  await closed
  expect(await engine.peers()).toEqual([])
})

test('maxInboundConnectionsPerAddress: more new sockets of one address in a second are not taken', async () => {
  const engine = await startedCustomEngine({ limits: { maxInboundConnectionsPerAddress: 3 } })
  const url = await urlOf(engine)
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, () => {
      const socket = new WebSocket(url, [subprotocol])
      onTestFinished(() => socket.terminate())
      return Promise.race([once(socket, 'open').then(() => 'open'), once(socket, 'error').then(() => 'refused')]).catch(() => 'refused')
    }),
  )
  // A second may end in between.
  expect(outcomes.filter((outcome) => outcome === 'open').length).toBeLessThanOrEqual(6)
  expect(outcomes.filter((outcome) => outcome === 'open').length).toBeGreaterThanOrEqual(3)
})

test('maxConnections: one link more is refused, at either end, and a configured peer is not', async () => {
  const full = await startedCustomEngine({ limits: { maxConnections: 1 } })
  const [first, second] = [await startedCustomEngine(), await startedCustomEngine()]
  const signal = AbortSignal.timeout(20_000)
  const address = async (engine: P2PEngine) => (await engine.multiaddrs())[0] ?? ''
  await full.dial(await address(first), { source: 'rest', signal })
  await expect(full.dial(await address(second), { source: 'rest', signal })).rejects.toThrow(/PEERGATE_MAX_CONNECTIONS/)
  await second.dial(await address(full), { source: 'rest', signal }).catch(() => undefined)
  await expect.poll(async () => (await second.peers()).length).toBe(0)
  expect((await full.peers()).map(({ peerId }) => peerId)).toEqual([first.peerId])

  const keeps = await startedCustomEngine({ limits: { maxConnections: 1 }, bootstrap: [await address(second)] })
  await first.dial(await address(keeps), { source: 'rest', signal }).catch(() => undefined)
  await expect.poll(async () => (await keeps.peers()).map(({ peerId }) => peerId)).toContain(second.peerId)
})

test('maxPubsubBufferBytes: a neighbour that reads nothing is handed nothing more, until it reads again', async () => {
  const engine = await startedCustomEngine({ limits: { maxPubsubBufferBytes: 65_536 } })
  const { socket, channel } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  channel.write(frameTypes.control, encodeControl({ type: 'subscriptions', add: ['orders'], remove: [] }))
  await expect.poll(() => engine.subscribers('orders')).toHaveLength(1)
  const publish = async () => (await engine.send(await engine.sign([{ topic: 'orders', data: Buffer.alloc(65_536) }])))[0]
  expect(await publish()).toBe(1)
  socket.pause()
  let handed = 0
  // What the buffers of the two sockets take, some megabytes, is handed over all the same.
  while ((await publish()) === 1 && handed < 1_000) {
    handed++
    await nextTurn()
  }
  expect(handed).toBeLessThan(1_000)
  socket.resume()
  await expect.poll(publish).toBe(1)
})

test('a peer that sends requests which are refused, and does not read the refusals, is cut', async () => {
  const engine = await startedCustomEngine({ limits: { maxPubsubBufferBytes: 65_536 } })
  await engine.handle('/test/1', async () => new Uint8Array(), { maxRequestBytes: 1, maxConcurrent: 1 })
  const { socket, channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  socket.pause()
  for (let id = 0; id < 2_000_000 && channel.isOpen; id++) {
    channel.write(frameTypes.request, encode({ id, protocol: '/test/1', length: 100 }))
    if (id % 2_000 === 0) await nextTurn()
  }
  await expect.poll(() => engine.peers()).toEqual([])
  // By what waits for it, or by the refusals that it causes, whichever comes first.
  expect(engine.limitsReached.unread_link + engine.limitsReached.frame_flood).toBe(1)
  socket.resume()
  await closed
})
