import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { decode, encode } from 'cborg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Carried, Carry } from '../../../src/engine/bridge/carry.ts'
import { openQuestion, sealAnswer, sealQuestion } from '../../../src/engine/bridge/envelopes.ts'
import { bridgedProtocol, bridgeProtocol } from '../../../src/engine/bridge/protocols.ts'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { PeerNotConnected, PeerUnreachable, ProtocolUnsupported } from '../../../src/errors.ts'
import { bridgedNetworks, linkTo } from '../../fixtures/bridged-networks.ts'

const protocol = '/peergate/test/1.0.0'
const handled = { maxRequestBytes: 1_000, maxConcurrent: 10, bridged: true }
const signal = AbortSignal.timeout(600_000)
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

/** What a bridge does with a request that it is to carry. Tickets are carried as they should be. */
type Deed = (carry: Carry, hands: Hands) => Promise<Carried>

interface Hands {
  seed: Uint8Array
  /** Hands an envelope to a peer, as an honest bridge would. */
  hand(to: string, envelope: Uint8Array): Promise<Uint8Array>
  /** The answers that it has carried, and those that it keeps. */
  earlier: Uint8Array[]
  refusals: Uint8Array[]
}

/** A node of each network, linked to a bridge with a will of its own. `begun` has what the recipient's handler got. */
async function behindHostileBridge(deed: Deed) {
  const networks = bridgedNetworks()
  const [here, there, bystander] = [await networks.node('custom'), await networks.node('libp2p'), await networks.node('libp2p')]
  const { engine: bridge, seed } = await networks.idleBridge()
  const earlier: Uint8Array[] = []
  const refusals: Uint8Array[] = []
  const hand = async (to: string, envelope: Uint8Array) => {
    const answer = await bridge.request(to, bridgedProtocol, envelope, { signal, maxAnswerBytes: 10_000 })
    earlier.push(answer)
    return answer
  }
  await bridge.handle(
    bridgeProtocol,
    async ({ body }) => {
      const carry: Carry = decode(body)
      const { type } = await openQuestion(carry.envelope)
      const carried =
        type === 'ticket'
          ? { status: 'answered', envelope: await hand(carry.to, carry.envelope) }
          : deed(carry, { seed, hand, earlier, refusals })
      return encode(await carried)
    },
    { maxRequestBytes: 10_000, maxConcurrent: 10 },
  )
  for (const each of [here, there, bystander]) await linkTo(each, bridge)
  const begun: string[] = []
  for (const each of [there, bystander]) {
    const handler = async ({ from, body }: { from: string; body: Uint8Array }) => {
      begun.push(`${from} ${text(body)}`)
      return Buffer.from('the answer')
    }
    await each.handle(protocol, handler, handled)
  }
  return { networks, here, there, bystander, begun }
}

const ask = (from: P2PEngine, to: P2PEngine, over: AbortSignal = signal) =>
  from.request(to.peerId, protocol, Buffer.from('the question'), { signal: over, maxAnswerBytes: 1_000, bridged: true })

function flipped(bytes: Uint8Array, place: number): Uint8Array {
  return Uint8Array.from(bytes, (byte, index) => (index === place ? byte ^ 1 : byte))
}

test('a bridge sees neither request nor answer', async () => {
  const seen: Uint8Array[] = []
  const { here, there, begun } = await behindHostileBridge(async ({ to, envelope }, { hand }) => {
    const answer = await hand(to, envelope)
    seen.push(envelope, answer)
    return { status: 'answered', envelope: answer }
  })
  expect(text(await ask(here, there))).toBe('the answer')
  expect(begun).toEqual([`${here.peerId} the question`])
  expect(seen.length).toBe(2)
  for (const bytes of seen) for (const secret of ['the question', 'the answer', protocol]) expect(text(bytes)).not.toContain(secret)
})

describe('of a bridge that', () => {
  const unbegun: Array<[deed: string, Deed]> = [
    ...[0, 40, 100, 200].map((place): [string, Deed] => [
      `alters the request at byte ${place} of its envelope`,
      async ({ to, envelope }, { hand }) => ({ status: 'answered', envelope: await hand(to, flipped(envelope, place)) }),
    ]),
    [
      'alters the last byte of the request',
      async ({ to, envelope }, { hand }) => ({ status: 'answered', envelope: await hand(to, flipped(envelope, envelope.length - 1)) }),
    ],
    [
      'signs the request as its own',
      async ({ to, envelope }, { hand, seed }) => {
        const { from: _, ...question } = await openQuestion(envelope)
        return { status: 'answered', envelope: await hand(to, await sealQuestion(question, seed)) }
      },
    ],
    [
      'makes up an answer',
      async ({ envelope }, { seed }) => ({
        status: 'answered',
        envelope: await sealAnswer({ status: 'answered', box: randomBytes(40) }, envelope, seed),
      }),
    ],
    [
      'makes up a refusal',
      async ({ envelope }, { seed }) => ({ status: 'answered', envelope: await sealAnswer({ status: 'stale' }, envelope, seed) }),
    ],
    ['answers with nonsense', async () => ({ status: 'answered', envelope: randomBytes(200) })],
    ['brings an earlier answer', async (_, { earlier }) => ({ status: 'answered', envelope: earlier[0] ?? new Uint8Array() })],
    ['says that there is no link, though it has shown one', async () => ({ status: 'no_link' })],
    ['says that it is busy', async () => ({ status: 'busy' })],
    ['says that the peer takes nothing from bridges', async () => ({ status: 'unsupported' })],
  ]

  test.each(unbegun)('%s, the asker is told that the peer did not answer, and nothing begins', async (_, deed) => {
    const { here, there, begun } = await behindHostileBridge(deed)
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
    expect(begun).toEqual([])
  })

  test('hands the request to another peer, that peer does nothing', async () => {
    let other = ''
    const { here, there, bystander, begun } = await behindHostileBridge(async ({ envelope }, { hand }) => ({
      status: 'answered',
      envelope: await hand(other, envelope),
    }))
    other = bystander.peerId
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
    expect(begun).toEqual([])
  })

  test.each([0, 40, 120])('alters byte %d of the answer, the asker gets none', async (place) => {
    const { here, there, begun } = await behindHostileBridge(async ({ to, envelope }, { hand }) => ({
      status: 'answered',
      envelope: flipped(await hand(to, envelope), place),
    }))
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
    expect(begun.length).toBe(1)
  })

  test('repeats a request, it begins once', async () => {
    const { here, there, begun } = await behindHostileBridge(async ({ to, envelope }, { hand }) => {
      const answer = await hand(to, envelope)
      await expect(hand(to, envelope)).rejects.toThrow(PeerUnreachable)
      return { status: 'answered', envelope: answer }
    })
    expect(text(await ask(here, there))).toBe('the answer')
    expect(begun).toEqual([`${here.peerId} the question`])
  })

  test('brings the answer of one request to another, the asker gets none', async () => {
    const { here, there } = await behindHostileBridge(async ({ to, envelope }, { hand, earlier }) => {
      await hand(to, envelope)
      const [, first] = earlier
      return { status: 'answered', envelope: first ?? new Uint8Array() }
    })
    expect(text(await ask(here, there))).toBe('the answer')
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
  })

  test('brings an earlier refusal to another request, it is none', async () => {
    const { here, there } = await behindHostileBridge(async ({ to, envelope }, { hand, refusals }) => {
      const [earlier] = refusals
      if (earlier !== undefined) return { status: 'answered', envelope: earlier }
      refusals.push(await hand(to, envelope))
      return { status: 'answered', envelope: refusals[0] ?? new Uint8Array() }
    })
    await there.unhandle(protocol)
    await expect(ask(here, there)).rejects.toThrow(ProtocolUnsupported)
    await there.handle(protocol, async ({ body }) => body, handled)
    await expect(ask(here, there)).rejects.toThrow('the answer is that of another question')
  })

  test('lets the request fall, the asker waits until its own deadline', async () => {
    const begunAt = Promise.withResolvers<void>()
    const { here, there, begun } = await behindHostileBridge(() => {
      begunAt.resolve()
      return new Promise(() => undefined)
    })
    const deadline = new AbortController()
    const pending = ask(here, there, deadline.signal)
    await begunAt.promise
    deadline.abort(new Error('the time is over'))
    await expect(pending).rejects.toThrow('the time is over')
    expect(begun).toEqual([])
  })
})

test('a peer that says it is a bridge, and has no link to the recipient, gets nothing of the request', async () => {
  const networks = bridgedNetworks()
  const [here, there] = [await networks.node('custom'), await networks.node('libp2p')]
  const { engine: liar, seed } = await networks.idleBridge()
  const types: string[] = []
  await liar.handle(
    bridgeProtocol,
    async ({ body }) => {
      const { envelope }: Carry = decode(body)
      types.push((await openQuestion(envelope)).type)
      const ticket = { status: 'ticket' as const, run: randomBytes(16), now: 1, key: randomBytes(32) }
      return encode({ status: 'answered', envelope: await sealAnswer(ticket, envelope, seed) })
    },
    { maxRequestBytes: 10_000, maxConcurrent: 10 },
  )
  await linkTo(here, liar)
  await expect(ask(here, there)).rejects.toThrow(PeerNotConnected)
  await expect(ask(here, there)).rejects.toThrow('the answer is signed by another peer')
  expect(new Set(types)).toEqual(new Set(['ticket']))
})

describe('beside an honest bridge', () => {
  test('one that brought no answer is not asked for that peer again', async () => {
    let deeds = 0
    const { networks, here, there, begun } = await behindHostileBridge(async () => {
      deeds++
      return { status: 'no_link' }
    })
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
    const { engine: honest } = await networks.idleBridge()
    // It is slower than the other to find the peer.
    const handler = async ({ body }: { body: Uint8Array }) => {
      const { to, envelope }: Carry = decode(body)
      for (let turn = 0; turn < 20; turn++) await nextTurn()
      return encode({
        status: 'answered',
        envelope: await honest.request(to, bridgedProtocol, envelope, { signal, maxAnswerBytes: 10_000 }),
      })
    }
    await honest.handle(bridgeProtocol, handler, { maxRequestBytes: 10_000, maxConcurrent: 10 })
    for (const each of [here, there]) await linkTo(each, honest)
    for (let turn = 0; turn < 5; turn++) expect(text(await ask(here, there))).toBe('the answer')
    expect(deeds).toBe(1)
    expect(begun.length).toBe(5)
    await here.hangUp(honest.peerId)
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
    expect(deeds).toBe(2)
  })

  test('one that is silent holds up one request, then none for a minute', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const networks = bridgedNetworks()
    const [here, there, honest] = [await networks.node('custom'), await networks.node('libp2p'), await networks.bridge()]
    const { engine: silent } = await networks.idleBridge()
    let asked = 0
    const handler = () => {
      asked++
      return new Promise<Uint8Array>(() => undefined)
    }
    await silent.handle(bridgeProtocol, handler, { maxRequestBytes: 10_000, maxConcurrent: 10 })
    for (const bridge of [silent, honest]) await linkTo(here, bridge)
    const first = ask(here, there).catch((error: unknown) => error)
    await expect.poll(() => asked).toBe(1)
    vi.advanceTimersByTime(5_000)
    expect(await first).toBeInstanceOf(PeerNotConnected)
    await expect(ask(here, there)).rejects.toThrow(`${honest.peerId}: it has no link to the peer in another network`)
    expect(asked).toBe(1)
    vi.advanceTimersByTime(60_000)
    const later = ask(here, there).catch((error: unknown) => error)
    await expect.poll(() => asked).toBe(2)
    vi.advanceTimersByTime(5_000)
    expect(await later).toBeInstanceOf(PeerNotConnected)
  })
})
