import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createAnswering } from '../../../src/engine/bridge/answering.ts'
import { beginMs, encodeRequest, openAnswer, type Question, sealQuestion } from '../../../src/engine/bridge/envelopes.ts'
import { sealRequest } from '../../../src/engine/bridge/sealing.ts'
import type { HandleOptions, P2PEngine } from '../../../src/engine/engine.ts'
import { PeerNotConnected, PeerUnreachable } from '../../../src/errors.ts'
import type { Limits } from '../../../src/limits.ts'
import { bridgedNetworks, linkTo } from '../../fixtures/bridged-networks.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const protocol = '/peergate/test/1.0.0'
const signal = AbortSignal.timeout(600_000)
const handled: HandleOptions = { maxRequestBytes: 1_000_000, maxConcurrent: 100, bridged: true }

/** Three nodes of one network, one of the other, and a bridge. The recipient's handler waits for `finish`. */
async function crowded(
  limits: { asker?: Partial<Limits>; bridge?: Partial<Limits>; recipient?: Partial<Limits> },
  options: Partial<HandleOptions> = {},
) {
  const networks = bridgedNetworks()
  const asker = { limits: limits.asker ?? {} }
  const [here, beside, third] = [await networks.node('custom', asker), await networks.node('custom'), await networks.node('custom')]
  const bridge = await networks.bridge({ limits: limits.bridge ?? {} })
  const there = await networks.node('libp2p', { limits: limits.recipient ?? {} })
  for (const each of [here, beside, third, there]) await linkTo(each, bridge)
  const gate = Promise.withResolvers<void>()
  const counts = { begun: 0 }
  const handler = async ({ body }: { body: Uint8Array }) => {
    counts.begun++
    await gate.promise
    return body
  }
  await there.handle(protocol, handler, { ...handled, ...options })
  const ask = (from: P2PEngine, bytes = 1) =>
    from.request(there.peerId, protocol, new Uint8Array(bytes), { signal, maxAnswerBytes: 1_000_000, bridged: true })
  return { here, beside, third, bridge, there, counts, ask, finish: gate.resolve }
}

/** Makes so many requests, which then wait for their answers. */
async function begun({ counts, ask }: Awaited<ReturnType<typeof crowded>>, from: P2PEngine, count: number, bytes = 1) {
  const before = counts.begun
  const pending = Array.from({ length: count }, () => ask(from, bytes))
  await expect.poll(() => counts.begun).toBe(before + count)
  return pending
}

describe('a bridge', () => {
  test('maxBridgedRequests: carries no more at a time, of one peer and in all', async () => {
    const scene = await crowded({ bridge: { maxBridgedRequests: 2 } })
    const { here, beside, bridge, ask, finish } = scene
    const pending = await begun(scene, here, 2)
    await expect(ask(here)).rejects.toThrow(PeerUnreachable)
    await expect(ask(beside)).rejects.toThrow(PeerNotConnected)
    await expect(ask(beside)).rejects.toThrow('it carries too many requests, in all or to the peer')
    expect(bridge.limitsReached.bridged_request).toBe(2)
    finish()
    await Promise.all(pending)
    await ask(beside)
  })

  test('maxRequestsToPeer: carries no more to one peer at a time', async () => {
    const scene = await crowded({ bridge: { maxRequestsToPeer: 3 } })
    const { here, bridge, ask, finish } = scene
    const pending = await begun(scene, here, 3)
    await expect(ask(here)).rejects.toThrow('it carries too many requests, in all or to the peer')
    expect(bridge.limitsReached.bridged_request).toBe(1)
    finish()
    await Promise.all(pending)
    await ask(here)
  })

  test('maxBridgedRequestBytes: carries no more bytes of bodies at a time', async () => {
    const scene = await crowded({ bridge: { maxBridgedRequestBytes: 1_048_576 } })
    const { here, bridge, ask, finish } = scene
    const pending = await begun(scene, here, 1, 700_000)
    await expect(ask(here, 700_000)).rejects.toThrow(PeerUnreachable)
    expect(bridge.limitsReached.request_place).toBe(1)
    finish()
    await Promise.all(pending)
    await ask(here, 700_000)
  })

  test('maxMessageBytes: carries no body beyond it and a batch of direct messages', async () => {
    const { here, ask, finish } = await crowded({ bridge: { maxMessageBytes: 1_000 } })
    finish()
    await ask(here, 262_000)
    await expect(ask(here, 280_000)).rejects.toThrow(PeerUnreachable)
  })
})

test('maxRequestsToPeer, maxServiceQueue: so many requests of one asker are at a bridge, others wait, and more are refused', async () => {
  const scene = await crowded({ asker: { maxRequestsToPeer: 2, maxServiceQueue: 1 } })
  const { here, counts, ask, finish } = scene
  const pending = await begun(scene, here, 2)
  pending.push(ask(here))
  await expect(ask(here)).rejects.toThrow('Too many requests wait for a place at the bridge')
  expect(counts.begun).toBe(2)
  finish()
  await Promise.all(pending)
  expect(counts.begun).toBe(3)
})

describe('the recipient', () => {
  test('maxBridgedRequests: takes no more of a bridge at a time', async () => {
    const scene = await crowded({ recipient: { maxBridgedRequests: 2 } })
    const { here, ask, finish } = scene
    const pending = await begun(scene, here, 2)
    await expect(ask(here)).rejects.toThrow(PeerUnreachable)
    finish()
    await Promise.all(pending)
    await ask(here)
  })

  test.each<[limit: string, Partial<HandleOptions>]>([
    ['number at once', { maxConcurrent: 1 }],
    ['bytes at once', { maxConcurrentBytes: 1_000 }],
  ])('has the %s of the handler hold for each author, and for all of a bridge', async (_, atOnce) => {
    const scene = await crowded({}, atOnce)
    const { here, beside, third, there, ask, finish } = scene
    const pending = await begun(scene, here, 1, 1_000)
    await expect(ask(here, 1_000)).rejects.toThrow(PeerUnreachable)
    expect(there.limitsReached.bridged_request).toBe(1)
    // The authors behind a bridge have a third more, as the peers of one address.
    pending.push(...(await begun(scene, beside, 1, atOnce.maxConcurrent === undefined ? 333 : 1_000)))
    await expect(ask(third, 1_000)).rejects.toThrow(PeerUnreachable)
    expect(there.limitsReached.bridged_request).toBe(2)
    finish()
    await Promise.all(pending)
    await ask(here, 1_000)
  })

  test('has the size and the admission of the handler hold for the author', async () => {
    const admitted = new Set<string>()
    const { here, beside, counts, ask, finish } = await crowded({}, { maxRequestBytes: 1_000, admits: (from) => admitted.has(from) })
    finish()
    admitted.add(here.peerId)
    await ask(here, 1_000)
    await expect(ask(here, 1_001)).rejects.toThrow(PeerUnreachable)
    await expect(ask(beside)).rejects.toThrow(PeerUnreachable)
    expect(counts.begun).toBe(1)
  })
})

test('an answer over the limit of the asker is none', async () => {
  const { here, there, ask, finish } = await crowded({})
  finish()
  await ask(here, 2_000)
  const asking = { signal, maxAnswerBytes: 1_999, bridged: true }
  await expect(here.request(there.peerId, protocol, new Uint8Array(2_000), asking)).rejects.toThrow(PeerUnreachable)
  expect((await here.request(there.peerId, protocol, new Uint8Array(1_999), asking)).length).toBe(1_999)
})

describe('what bridges bring', () => {
  async function recipient(maxBridgedRequestsKnown: number) {
    const [author, own] = [await createMemoryIdentity(), await createMemoryIdentity()]
    const clock = { now: 1_000 }
    let refused = 0
    const { peerId, seed } = own
    const made = () =>
      createAnswering(
        { peerId, seed, limits: { maxBridgedRequestsKnown } },
        { isBlocked: () => false, onRefused: () => refused++, now: () => clock.now },
      )
    const answering = made()
    answering.handle(protocol, async ({ body }) => body, handled)

    const say = async (envelope: Uint8Array, bridge: string, by = answering) =>
      await openAnswer(await by.handler({ from: bridge, body: envelope, signal }), { question: envelope, from: peerId })
    const sealed = (question: Question) => sealQuestion(question, author.seed)
    async function ticket(by = answering) {
      const answer = await say(await sealed({ type: 'ticket', to: peerId, nonce: randomBytes(16) }), 'bridge', by)
      if (answer.status !== 'ticket') throw new Error('no ticket')
      return answer
    }
    async function request(until: number, { run, key }: { run: Uint8Array; key: Uint8Array }) {
      const boxed = sealRequest(encodeRequest({ protocol, body: new Uint8Array() }), key, { from: author.peerId, to: peerId })
      const { key: own, box } = boxed
      return await sealed({ type: 'request', to: peerId, nonce: randomBytes(16), run, until, key: own, box })
    }
    return { clock, made, say, ticket, request, refusals: () => refused }
  }

  test('maxBridgedRequestsKnown: is taken until so many are remembered; each is for half a minute', async () => {
    const { clock, say, ticket, request, refusals } = await recipient(4)
    const given = await ticket()
    const next = async (bridge: string) => (await say(await request(clock.now + beginMs, given), bridge)).status
    // A quarter is left to other bridges.
    expect([await next('one'), await next('one'), await next('one'), await next('one')]).toEqual([
      ...Array.from({ length: 3 }, () => 'answered'),
      'refused',
    ])
    expect(refusals()).toBe(1)
    expect([await next('other'), await next('third')]).toEqual(['answered', 'refused'])
    clock.now += beginMs + 1_001
    expect(await next('one')).toBe('answered')
  })

  test('is answered only by the peer that it is for', async () => {
    const { made, say, ticket, request } = await recipient(100)
    const other = createAnswering(
      { peerId: (await createMemoryIdentity()).peerId, seed: randomBytes(32), limits: { maxBridgedRequestsKnown: 100 } },
      { isBlocked: () => false, onRefused: () => undefined },
    )
    const envelope = await request(1_000 + beginMs, await ticket())
    await expect(say(envelope, 'one', other)).rejects.toThrow('the request is for another peer')
    expect((await say(envelope, 'one', made())).status).toBe('stale')
  })

  test('begins once, until its time is over; then it is stale, as is one of another run or of a far time', async () => {
    const { clock, made, say, ticket, request } = await recipient(100)
    const given = await ticket()
    const envelope = await request(clock.now + beginMs, given)
    expect((await say(envelope, 'one')).status).toBe('answered')
    for (const [ms, bridge] of [[0, 'one'] as const, [beginMs, 'other'] as const]) {
      clock.now += ms
      await expect(say(envelope, bridge)).rejects.toThrow('the request is known')
    }
    clock.now += 1
    expect((await say(envelope, 'one')).status).toBe('stale')
    expect((await say(await request(clock.now + beginMs + 1_001, given), 'one')).status).toBe('stale')
    expect((await say(await request(clock.now + beginMs, await ticket(made())), 'one')).status).toBe('stale')
  })
})
