/** Requests of peers that hold what others need: bodies that never come or never end, handlers that are kept busy, answers that nobody reads. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { historyProtocol } from '../../../src/catch-up/history-protocol.ts'
import { directProtocol } from '../../../src/direct/direct-protocol.ts'
import type { P2PEngine, RequestHandler } from '../../../src/engine/engine.ts'
import type { Limits } from '../../../src/limits.ts'
import type { DeliveryView } from '../../../src/model/delivery.ts'
import { requestProtocol } from '../../../src/services/request-protocol.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'
import { enginePair } from '../../fixtures/engine-pair.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { createRest } from '../../fixtures/rest.ts'
import { openSilentPeer, type SilentPeer } from '../../fixtures/silent-peer.ts'

const protocol = '/peergate/test/1.0.0'
const signal = AbortSignal.timeout(600_000)
const asking = { signal, maxAnswerBytes: 2_000_000 }
const echo: RequestHandler = async ({ body }) => body

describe.each(['custom', 'libp2p'] as const)('%s', (kind) => {
  async function started(limits: Partial<Limits> = {}): Promise<P2PEngine> {
    return kind === 'custom' ? await startedCustomEngine({ limits, dht: false }) : await startedLibp2pEngine({ limits, dht: false })
  }

  /** A node under attack, and an honest peer that has a link to it. */
  async function attacked(limits: Partial<Limits> = {}): Promise<{ subject: P2PEngine; honest: P2PEngine; addresses: string[] }> {
    const [subject, honest] = [await started(limits), await started()]
    const addresses = await subject.multiaddrs()
    await honest.dial(addresses[0] ?? '', { source: 'rest', signal })
    await expect.poll(async () => (await subject.peers()).length).toBe(1)
    return { subject, honest, addresses }
  }

  async function silentPeers(count: number, addresses: string[]): Promise<SilentPeer[]> {
    return await Promise.all(Array.from({ length: count }, () => openSilentPeer(kind, addresses)))
  }

  test.each([1, 6])(
    '%i peers with 40 announced bodies each that never come keep nobody from direct messages',
    { timeout: 60_000 },
    async (count) => {
      const pair = await enginePair(kind, {})
      onTestFinished(() => pair.stop())
      const { peerId, multiaddrs } = await pair.subject.node()
      for (const peer of await silentPeers(count, multiaddrs))
        for (const each of [directProtocol, requestProtocol, historyProtocol])
          await Promise.allSettled(Array.from({ length: 40 }, () => peer.announce(each, 1_000)))
      const other = createRest(pair.other.url)
      const { body } = await other.call<DeliveryView>('POST', `/v1/peers/${peerId}/messages`, { data: 'honest' })
      await expect.poll(async () => (await other.get<DeliveryView>(`/v1/deliveries/${body.id}`)).state).toBe('delivered')
    },
  )

  test('a body that comes a byte at a time is given up before the time of its request is over', { timeout: 60_000 }, async () => {
    const { subject, addresses } = await attacked({ requestTimeoutMs: 15_000 })
    let worked = 0
    const handler: RequestHandler = async ({ body }) => {
      worked++
      return body
    }
    await subject.handle(protocol, handler, { maxRequestBytes: 1_000_000, maxConcurrent: 2 })
    const [peer] = await silentPeers(1, addresses)
    const begun = await peer?.announce(protocol, 1_000_000, Buffer.alloc(1))
    const trickle = setInterval(() => begun?.send(Buffer.alloc(1)), 100)
    onTestFinished(() => clearInterval(trickle))
    await begun?.refused
    expect(worked).toBe(0)
  })

  test('bodies that begin and never end give way to those that do', { timeout: 60_000 }, async () => {
    const limits = { maxMessageBytes: 100_000, maxPeerBodyBytes: 1_048_576 }
    const { subject, honest, addresses } = await attacked(limits)
    await subject.handle(protocol, echo, { maxRequestBytes: 100_000, maxConcurrent: 32 })
    // Six peers, each with more than its sixth of the room.
    const peers = await silentPeers(6, addresses)
    for (const peer of peers) await Promise.all(Array.from({ length: 12 }, () => peer.announce(protocol, 100_000, Buffer.alloc(60_000))))
    for (let count = 0; count < 10; count++) {
      const answer = await honest.request(subject.peerId, protocol, Buffer.alloc(100_000, 1), asking)
      expect(answer.length).toBe(100_000)
    }
  })

  test('a peer that keeps handlers busy leaves places for others, and many such peers for one that has none', {
    timeout: 60_000,
  }, async () => {
    const { subject, honest } = await attacked()
    const gate = Promise.withResolvers<void>()
    let isOver = false
    onTestFinished(() => {
      isOver = true
      gate.resolve()
    })
    const failures: string[] = []
    let open = 0
    const handler: RequestHandler = async ({ body }) => {
      open++
      if (body.length === 1) await gate.promise
      open--
      return body
    }
    await subject.handle(protocol, handler, { maxRequestBytes: 1_000, maxConcurrent: 12 })
    /** What comes too late on a busy machine, or finds no place, is asked again. */
    async function askAgainAndAgain(hog: P2PEngine): Promise<void> {
      while (!isOver) {
        await hog.request(subject.peerId, protocol, Buffer.alloc(1), asking).catch((error) => failures.push(String(error.cause ?? error)))
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
    }

    for (let count = 0; count < 4; count++) {
      const hog = await started()
      await hog.dial((await subject.multiaddrs())[0] ?? '', { source: 'rest', signal })
      for (let request = 0; request < 14; request++) void askAgainAndAgain(hog)
      await expect.poll(() => ({ open, failures })).toMatchObject({ open: expect.toSatisfy((count: number) => count >= 12) })
      expect((await honest.request(subject.peerId, protocol, Buffer.alloc(2), asking)).length).toBe(2)
    }
  })

  test('many peer ids of one address leave places to a peer of another, and what they were refused is counted', {
    timeout: 60_000,
  }, async () => {
    const { subject, honest, addresses } = await attacked()
    const gate = Promise.withResolvers<void>()
    onTestFinished(() => gate.resolve())
    let kept = 0
    const handler: RequestHandler = async ({ body }) => {
      if (body.length === 1) {
        kept++
        await gate.promise
      }
      return body
    }
    await subject.handle(protocol, handler, { maxRequestBytes: 1_000, maxConcurrent: 3 })
    // 4 are for the peers of one address, 5 for all addresses.
    for (let count = 0; count < 8; count++) {
      const peer = await openSilentPeer(kind, addresses, { localAddress: '127.0.0.2' })
      const { refused } = await peer.announce(protocol, 1, Buffer.alloc(1))
      if (count < 4) await expect.poll(() => kept).toBe(count + 1)
      else await refused
    }
    expect(subject.limitsReached.request_place).toBe(4)
    expect((await honest.request(subject.peerId, protocol, Buffer.alloc(2), asking)).length).toBe(2)
  })

  test('a request that was given up keeps its place until its handler is done', { timeout: 60_000 }, async () => {
    const { subject, honest } = await attacked()
    const gate = Promise.withResolvers<void>()
    let open = 0
    let most = 0
    const handler: RequestHandler = async ({ body }) => {
      most = Math.max(most, ++open)
      await gate.promise
      open--
      return body
    }
    await subject.handle(protocol, handler, { maxRequestBytes: 1_000, maxConcurrent: 4 })
    for (let count = 0; count < 20; count++) {
      const gone = new AbortController()
      const pending = honest.request(subject.peerId, protocol, Buffer.alloc(1), { ...asking, signal: gone.signal })
      pending.catch(() => undefined)
      if (count < 4) await expect.poll(() => open).toBe(count + 1)
      else await honest.ping(subject.peerId, { signal })
      gone.abort(new Error('never mind'))
      await pending.catch(() => undefined)
    }
    expect(most).toBe(4)
    gate.resolve()
    await expect.poll(() => open).toBe(0)
    expect((await honest.request(subject.peerId, protocol, Buffer.alloc(1), asking)).length).toBe(1)
  })

  test('answers that a peer does not read hold no place', { timeout: 60_000 }, async () => {
    const { subject, honest, addresses } = await attacked()
    let worked = 0
    const large = Buffer.alloc(1_000_000)
    const handler: RequestHandler = async () => {
      worked++
      return large
    }
    await subject.handle(protocol, handler, { maxRequestBytes: 1_000, maxConcurrent: 4 })
    const [peer] = await silentPeers(1, addresses)
    peer?.stopReading()
    for (let count = 1; count <= 8; count++) {
      await peer?.announce(protocol, 1, Buffer.alloc(1))
      await expect.poll(() => worked).toBe(count)
    }
    expect((await honest.request(subject.peerId, protocol, Buffer.alloc(1), asking)).length).toBe(large.length)
  })

  test('an answer without end is given up at what was asked for', { timeout: 60_000 }, async () => {
    const { subject, honest } = await attacked()
    await honest.handle(protocol, async () => Buffer.alloc(100_000), { maxRequestBytes: 1_000, maxConcurrent: 4 })
    await expect(subject.request(honest.peerId, protocol, Buffer.alloc(1), { signal, maxAnswerBytes: 99_999 })).rejects.toThrow()
    expect((await subject.request(honest.peerId, protocol, Buffer.alloc(1), asking)).length).toBe(100_000)
  })
})
