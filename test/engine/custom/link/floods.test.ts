import { setImmediate as nextTurn } from 'node:timers/promises'
import { encode } from 'cborg'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { FrameBudget } from '../../../../src/engine/custom/link/frame-budget.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { overlayFrameSchema } from '../../../../src/engine/custom/overlay/frames.ts'
import { type ControlFrame, encodeControl } from '../../../../src/engine/custom/wire/overlay-frame.ts'
import { encodeMessage } from '../../../../src/engine/custom/wire/pubsub-message.ts'
import { createLru } from '../../../../src/lib/lru.ts'
import { createMessageSigner } from '../../../../src/model/signed-message.ts'
import { customEngine, startedCustomEngine } from '../../../fixtures/custom-engine.ts'
import { type Sender, urlOf } from '../../../fixtures/hostile-peer.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'
import { helloOf, openLinkedPeer, openRawPeer } from '../../../fixtures/raw-peer.ts'

/** Each type of frame without end. */

/**
 * The clock of the budgets stands while this machine works, and goes on by the pauses, which are shorter here: a busy machine, on which a
 * flood comes more slowly than its budget recovers, cuts it after the same work.
 */
vi.mock(import('../../../../src/engine/custom/link/frame-budget.ts'), async (importOriginal) => {
  const original = await importOriginal()
  const withHeldClock = (budget: FrameBudget): FrameBudget => {
    let at = 0
    return {
      charge(now, units) {
        const until = budget.charge(at, units)
        if (until === 'over') return until
        const pauseMs = Math.max(0, until - at)
        at += pauseMs
        return now + pauseMs / 20
      },
    }
  }
  return { ...original, createFrameBudgets: () => ({ of: createLru({ max: 10 }, () => withHeldClock(original.createFrameBudget())) }) }
})

const signer = createMessageSigner((await createMemoryIdentity(Buffer.alloc(32, 7))).peerId, Buffer.alloc(32, 7))
const hop = Buffer.of(1)
const elsewhere = encodeMessage(signer.sign(1n, 'elsewhere', Buffer.of(1)))
const known = encodeMessage(signer.sign(2n, 'orders', Buffer.of(1)))

function numberOf(id: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(id)
  return bytes
}

/** What is sent of each type; `whole` is what a peer says before, if that makes a difference. */
const floods: Array<[what: string, type: number, say: (channel: Sender, round: number) => void, whole?: (channel: Sender) => void]> = [
  ['hellos', frameTypes.hello, (channel) => channel.write(frameTypes.hello, helloOf())],
  ['messages of topics that nobody has here', frameTypes.message, (channel) => channel.write(frameTypes.message, hop, elsewhere)],
  ['one message, again and again', frameTypes.message, (channel) => channel.write(frameTypes.message, hop, known)],
  ['pings', frameTypes.ping, (channel) => channel.write(frameTypes.ping, Buffer.alloc(8))],
  ['pongs that nobody asked for', frameTypes.pong, (channel) => channel.write(frameTypes.pong, Buffer.alloc(8))],
  [
    'requests for protocols that are not spoken here',
    frameTypes.request,
    (channel, round) => channel.write(frameTypes.request, encode({ id: round, protocol: '/nobody', length: 0 })),
  ],
  [
    'requests that are refused',
    frameTypes.request,
    (channel, round) => channel.write(frameTypes.request, encode({ id: round, protocol: '/test/1', length: 100_000_000 })),
  ],
  [
    'requests that are cancelled at once',
    frameTypes.cancel,
    (channel, round) => {
      channel.write(frameTypes.request, encode({ id: round, protocol: '/test/1', length: 100 }))
      channel.write(frameTypes.cancel, numberOf(round))
    },
  ],
  [
    'requests that fail',
    frameTypes.requestBody,
    (channel, round) => {
      channel.write(frameTypes.request, encode({ id: round, protocol: '/test/1', length: 1 }))
      channel.write(frameTypes.requestBody, numberOf(round), Buffer.of(1))
    },
  ],
  [
    'a body in pieces of a byte',
    frameTypes.requestBody,
    (channel) => channel.write(frameTypes.requestBody, numberOf(1), Buffer.of(1)),
    (channel) => channel.write(frameTypes.request, encode({ id: 1, protocol: '/test/1', length: 10_000_000 })),
  ],
  ['bodies of no request', frameTypes.requestBody, (channel) => channel.write(frameTypes.requestBody, Buffer.alloc(4), Buffer.alloc(100))],
  ['answers to nothing', frameTypes.answer, (channel, round) => channel.write(frameTypes.answer, encode({ id: round, length: 9 }))],
  ['bodies of no answer', frameTypes.answerBody, (channel) => channel.write(frameTypes.answerBody, Buffer.alloc(4), Buffer.alloc(100))],
  ['cancels of nothing', frameTypes.cancel, (channel) => channel.write(frameTypes.cancel, Buffer.alloc(4))],
  [
    'circuits to nobody',
    frameTypes.circuit,
    (channel, round) => channel.write(frameTypes.circuit, encode({ type: 'open', id: round * 2, to: 'nobody' })),
  ],
  ['ends of no circuit', frameTypes.circuit, (channel) => channel.write(frameTypes.circuit, encode({ type: 'opened', id: 0 }))],
  [
    'wishes to be shown to nobody',
    frameTypes.circuit,
    (channel) => channel.write(frameTypes.circuit, encode({ type: 'show', to: 'nobody' })),
  ],
  [
    'addresses that nobody waits for',
    frameTypes.circuit,
    (channel) => channel.write(frameTypes.circuit, encode({ type: 'seen', from: 'nobody', ip: '8.8.4.7', port: 1 })),
  ],
  ['data of no circuit', frameTypes.circuitData, (channel) => channel.write(frameTypes.circuitData, Buffer.alloc(4))],
  ['credit of no circuit', frameTypes.circuitCredit, (channel) => channel.write(frameTypes.circuitCredit, Buffer.alloc(8))],
  ['goodbyes', frameTypes.goodbye, (channel) => channel.write(frameTypes.goodbye, encode({ reason: 'full', retryAfterMs: 1_000 }))],
  ['moves to another link', frameTypes.moved, (channel) => channel.write(frameTypes.moved)],
  ['frames of later versions', 200, (channel) => channel.write(200)],
  ...controlFrames().map((frame): (typeof floods)[number] => [
    `${frame.type} frames`,
    frameTypes.control,
    (channel) => channel.write(frameTypes.control, encodeControl(frame)),
    (channel) => channel.write(frameTypes.control, encodeControl({ type: 'subscriptions', add: ['orders'], remove: [] })),
  ]),
]

/** Each kind of control frame, as costly for its bytes as it can be. */
function controlFrames(): ControlFrame[] {
  const ids = Array.from({ length: 512 }, (_, index) => `a.${index % 10}`)
  const topics = Array.from({ length: 256 }, (_, index) => `t${index}`)
  const peer = { peerId: 'x', multiaddrs: [] }
  const peers = Array.from({ length: 16 }, () => ({ peer, topics: [] }))
  return [
    { type: 'subscriptions', add: topics, remove: topics },
    { type: 'join' },
    { type: 'forward-join', peer, hops: 8 },
    { type: 'neighbor', topic: 'orders', priority: 'high' },
    { type: 'neighbor-reply', accepted: true },
    { type: 'disconnect', topic: 'orders' },
    { type: 'shuffle', token: 'x', hops: 8, peers },
    { type: 'shuffle-reply', token: 'x', peers },
    { type: 'seek', token: 'x', topic: 'orders', hops: 8 },
    { type: 'found', token: 'x', topic: 'orders', peers: [peer] },
    { type: 'ihave', topic: 'orders', messages: ids.map((id) => ({ id, hops: 1 })) },
    { type: 'graft', topic: 'orders', ids },
    { type: 'graft', topic: 'orders', ids: [] },
    { type: 'grafts', topics: topics.with(0, 'orders') },
    { type: 'beacon', topic: 'orders', round: 1, rank: 1 },
    { type: 'prune', topic: 'orders' },
  ]
}

test('every type of frame, and of control frame, is among the floods', () => {
  const types = new Set(floods.map(([, type]) => type))
  expect(Object.values(frameTypes).filter((type) => !types.has(type))).toEqual([])
  const kinds: string[] = overlayFrameSchema.options.map(({ shape }) => shape.type.value).filter((kind) => kind !== 'message')
  expect(new Set(controlFrames().map(({ type }) => `${type}`))).toEqual(new Set(kinds))
})

test.for(floods)('a peer that sends %s without end is cut, and one that sends some is not', async (flood, { signal }) => {
  const [what, type, say, whole] = flood
  const engine = await customEngine()
  engine.receive({ onMessage: async () => 'accept' })
  const failing = async () => await Promise.reject(new Error('no'))
  await engine.handle('/test/1', failing, { maxRequestBytes: 10_000_000, maxConcurrent: 1 })
  engine.subscribe('orders')
  await engine.start()
  try {
    const url = await urlOf(engine)
    // It answers pings: on a slow machine the flood takes longer than a peer may be silent.
    using honest = await openRawPeer(url, {
      onFrame: (received, nonce) => void (received === frameTypes.ping && honest.channel.write(frameTypes.pong, nonce)),
    })
    honest.channel.write(frameTypes.hello, helloOf())
    // A goodbye is the last word of anybody.
    if (type !== frameTypes.goodbye) {
      whole?.(honest.channel)
      for (let round = 2; round < 7; round++) say(honest.channel, round)
    }
    using hostile = await openRawPeer(url)
    hostile.channel.write(frameTypes.hello, helloOf())
    whole?.(hostile.channel)
    for (let round = 2; hostile.channel.isOpen; ) {
      for (let count = 0; count < 200; count++) say(hostile.channel, round++)
      await hostile.channel.drained(65_536, signal)
      await nextTurn()
    }
    await hostile.closed
    // A peer that the overlay avoids, or that has said goodbye, is cut for that. So is one that sends known messages for
    // as long as a slow machine makes it.
    const isCutForOther = type === frameTypes.control || type === frameTypes.goodbye || what.includes('again')
    if (!isCutForOther) await expect.poll(() => engine.limitsReached.frame_flood).toBe(1)
    honest.channel.write(frameTypes.ping, Buffer.alloc(8))
    await expect.poll(() => honest.received).toContain(frameTypes.pong)
    await expect.poll(async () => (await engine.peers()).map(({ peerId }) => peerId)).toEqual([honest.peerId])
  } finally {
    await engine.stop()
  }
})

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a byte of a message', Buffer.of(1)],
])('a peer that sends records with %s in them without end is cut, and one that sends some is not', async (_, plain) => {
  const engine = await startedCustomEngine()
  const url = await urlOf(engine)
  const send = async (count: number) => {
    const peer = await openLinkedPeer(url)
    onTestFinished(() => peer.socket.terminate())
    // The head of a message of a million bytes.
    if (plain.length > 0) peer.sendRecord(Buffer.of(0, 15, 66, 64, frameTypes.message))
    for (let sent = 0; sent < count && peer.channel.isOpen; sent++) {
      peer.sendRecord(plain)
      if (sent % 500 === 0) await nextTurn()
    }
    return peer
  }
  const honest = await send(1_000)
  await send(64_000)
  await expect.poll(() => engine.limitsReached.frame_flood, { timeout: 60_000 }).toBe(1)
  expect((await engine.peers()).map(({ peerId }) => peerId)).toEqual([honest.peerId])
})
