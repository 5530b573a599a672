import { describe, expect, onTestFinished, test } from 'vitest'
import { agesOf } from '../../src/clock/ages.ts'
import { createCarrier } from '../../src/direct/carrier.ts'
import { decodeBatch, maxDirectBatch } from '../../src/direct/direct-protocol.ts'
import type { ConnectedPeer, EngineEvent } from '../../src/engine/engine.ts'
import { noTraffic } from '../../src/engine/peer-traffic.ts'
import { PeerNotConnected, PeerUnreachable } from '../../src/errors.ts'
import { defaultLimits, type Limits } from '../../src/limits.ts'
import { directStatus } from '../../src/model/direct-status.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryDeliveries, type MemoryDeliveries } from '../fixtures/memory-store/deliveries.ts'

const hour = 3_600_000
const begun = 1_000_000
const limits = { ...defaultLimits, firstDeliveryRetryMs: 1_000, lastDeliveryRetryMs: 5_000 }
const there: ConnectedPeer = {
  ...{
    peerId: 'there',
    networks: ['memory'],
    multiaddrs: [],
    direction: 'inbound',
    path: { by: 'tcp', via: null, since: begun },
    agent: null,
    protocols: [],
    latencyMs: null,
    traffic: noTraffic,
    score: null,
  },
}
const seen = {
  ...{
    state: 'connected' as const,
    path: 'tcp',
    via: null,
    beyond: [],
    since: new Date(begun).toISOString(),
    label: null,
    blocked: false,
    topics: [],
    gateway: 'here',
  },
  ...{ firstSeen: new Date(begun).toISOString(), lastSeen: new Date(begun).toISOString() },
}
const keepAll = async (numbers: number[]) => numbers.map(() => directStatus.kept)

interface Scene {
  isLinked?: boolean
  random?: number
  /** Answers the numbers of a batch with their statuses. */
  answer?: (numbers: number[], signal: AbortSignal) => Promise<number[]>
  dial?: (signal: AbortSignal, peerId: string) => Promise<void>
  own?: Partial<Limits>
}

/** A carrier of the gateway `here`, whose only recipient is `there`; its clock moves by hand. */
function stage({ isLinked = true, random = 1, answer = keepAll, dial = async () => undefined, own = {} }: Scene = {}) {
  const memory: MemoryDeliveries = { deliveries: new Map(), turns: new Map() }
  const store = createMemoryDeliveries(memory)
  const clock = { now: begun }
  const scene = { isLinked }
  const batches: number[][] = []
  const counts = { underWay: 0, mostUnderWay: 0, dials: 0, looks: 0, damaged: 0 }
  const told: string[] = []
  const dialled = new Set<string>()
  let listener: ((event: EngineEvent) => void) | undefined

  const clientsDue = store.clientsDue
  store.clientsDue = async (query) => {
    const clients = await clientsDue(query)
    counts.looks++
    return clients
  }

  const carrier = createCarrier(
    { limits: { ...limits, ...own } },
    {
      engine: {
        peerId: 'here',
        request: async (peerId, _protocol, body, { signal }) => {
          if (!(scene.isLinked && peerId === there.peerId) && !dialled.delete(peerId))
            throw new PeerNotConnected('There is no link to this peer.')
          const numbers = decodeBatch(body).map((envelope) => Buffer.from(envelope).readUInt16BE())
          batches.push(numbers)
          counts.mostUnderWay = Math.max(counts.mostUnderWay, ++counts.underWay)
          try {
            return Uint8Array.from(await answer(numbers, signal))
          } finally {
            counts.underWay--
          }
        },
        peers: async () => (scene.isLinked ? [there] : []),
        listen: (heard) => {
          listener = heard
          return () => {
            listener = undefined
          }
        },
      },
      peers: {
        dialPeer: async (peerId, { signal }) => {
          counts.dials++
          await dial(signal, peerId)
          dialled.add(peerId)
          return { ...there, ...seen }
        },
      },
      store,
      inbox: { take: async () => new Uint8Array() },
      metrics: {
        damaged: (messages) => {
          counts.damaged += messages
        },
      },
      logger: silentLog,
      clock: agesOf(() => clock.now),
      random: () => random,
    },
  )
  carrier.watch(({ id, state }) => told.push(`${id} ${state}`))
  onTestFinished(() => carrier.stop())

  return {
    ...{ carrier, memory, store, clock, batches, counts, told },
    turn: () => memory.turns.get('there'),
    /** For one recipient of a client each, and has the carrier told. */
    async send(client: string, recipients: string[]) {
      for (const to of recipients) {
        const times = { createdAt: clock.now, expiresAt: clock.now + hour }
        const ids = { id: `${client} ${to}`, messageId: `${client} ${to}` }
        await store.add({ ...ids, client, to, envelope: Buffer.alloc(2), ...times, idempotency: undefined }, 0)
        carrier.queued(to, client)
      }
    },
    async queue(count: number, to = 'there') {
      for (let number = 1; number <= count; number++) {
        const envelope = Buffer.alloc(2)
        envelope.writeUInt16BE(number)
        const id = to === 'there' ? idOf(number) : `${idOf(number)} ${to}`
        const times = { createdAt: clock.now, expiresAt: clock.now + hour }
        await store.add({ id, messageId: id, client: 'c', to, envelope, ...times, idempotency: undefined }, 0)
      }
    },
    states: async (count: number) => {
      const records = await Promise.all(Array.from({ length: count }, (_, index) => store.get(idOf(index + 1))))
      return records.map((record) => record?.state)
    },
    appear() {
      scene.isLinked = true
      listener?.({ type: 'peer:connect', peer: there })
    },
    /** Until the carrier has looked once more for what is due, from now on. */
    async look() {
      // A look that is under way may have read the clock before it was moved.
      const before = counts.looks
      const looks = () => {
        carrier.wake()
        return counts.looks
      }
      await expect.poll(looks).toBeGreaterThan(before + 1)
    },
  }
}

const idOf = (number: number) => String(number).padStart(4, '0')
const numbersTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

/** Waits until the signal aborts, and fails with its reason. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

describe('the carrier', () => {
  test('ends what is damaged, and goes on with what is behind it', async () => {
    const { carrier, memory, queue, states, batches, counts, told } = stage()
    await queue(3)
    const first = memory.deliveries.get(idOf(1))
    if (first !== undefined) first.envelope = undefined
    await carrier.start()
    await expect.poll(() => states(3)).toEqual(['refused', 'delivered', 'delivered'])
    expect([batches, counts.damaged, told[0]]).toEqual([[[2, 3]], 1, `${idOf(1)} refused`])
  })

  test('sends what waits for a recipient in order, a batch at a time', async () => {
    const count = 2 * maxDirectBatch + 10
    const { carrier, queue, batches, counts, told } = stage()
    await queue(count)
    await carrier.start()
    await expect.poll(() => told.length).toBe(count)
    expect(batches.flat()).toEqual(numbersTo(count))
    expect(batches.map(({ length }) => length)).toEqual([maxDirectBatch, maxDirectBatch, 10])
    expect(counts.mostUnderWay).toBe(1)
    expect(told).toEqual(numbersTo(count).map((number) => `${idOf(number)} delivered`))
  })

  test.each([
    { random: 1, pauses: [1_000, 2_000, 4_000, 5_000, 5_000] },
    { random: 0, pauses: [500, 1_000, 2_000, 2_500, 2_500] },
  ])('tries again after pauses that double up to the longest, less a part by chance: $pauses', async ({ random, pauses }) => {
    const dial = async () => Promise.reject(new PeerUnreachable('Nobody is there.'))
    const { carrier, queue, clock, counts, turn, store, look } = stage({ isLinked: false, random, dial })
    await queue(1)
    await carrier.start()
    for (const [index, pauseMs] of pauses.entries()) {
      await expect.poll(() => turn()?.attempts).toBe(index + 1)
      expect(turn()).toMatchObject({ dueAt: clock.now + pauseMs, claimedBy: undefined })
      expect(await store.get(idOf(1))).toMatchObject({ state: 'queued', attempts: index + 1, lastError: 'Nobody is there.' })
      clock.now += pauseMs - 1
      await look()
      expect(counts.dials).toBe(index + 1)
      clock.now += 1
      carrier.wake()
    }
  })

  test.each([
    { what: 'asks for later', status: [directStatus.later, directStatus.kept] },
    { what: 'says something unknown', status: [77, directStatus.kept] },
    { what: 'answers for fewer', status: [] },
  ])('ends what was answered before one of which the recipient $what, and goes on with that one', async ({ status }) => {
    let isFirst = true
    const answer = async (numbers: number[]) => {
      if (!isFirst) return await keepAll(numbers)
      isFirst = false
      return [directStatus.kept, directStatus.refused, ...status]
    }
    const { carrier, queue, batches, states, store, turn, clock } = stage({ answer })
    await queue(4)
    await carrier.start()
    await expect.poll(() => turn()?.attempts).toBe(1)
    expect(await states(4)).toEqual(['delivered', 'refused', 'queued', 'queued'])
    expect(await store.get(idOf(3))).toMatchObject({ attempts: 1, lastError: 'The recipient asks to try again later.' })
    expect(await store.get(idOf(4))).toMatchObject({ attempts: 0, lastError: null })
    clock.now += limits.firstDeliveryRetryMs
    carrier.wake()
    await expect.poll(() => states(4)).toEqual(['delivered', 'refused', 'delivered', 'delivered'])
    expect(batches).toEqual([
      [1, 2, 3, 4],
      [3, 4],
    ])
  })

  test('renews its claim before each batch and gives it back with the last, the failures forgotten', async () => {
    const claimedUntil: number[] = []
    const { carrier, queue, turn, clock, told } = stage({
      answer: async (numbers) => {
        claimedUntil.push(turn()?.claimedUntil ?? 0)
        clock.now += 10_000
        return await keepAll(numbers)
      },
    })
    await queue(2 * maxDirectBatch)
    await carrier.start()
    await expect.poll(() => told.length).toBe(2 * maxDirectBatch)
    await expect.poll(turn).toEqual({ client: '', dueAt: Number.POSITIVE_INFINITY, attempts: 0, claimedBy: undefined, claimedUntil: 0 })
    const [first = 0, second = 0] = claimedUntil
    expect(first).toBeGreaterThan(begun + limits.deliveryTimeoutMs + limits.dialTimeoutMs)
    expect(second - first).toBe(10_000)
  })

  test('sends nothing more to a recipient that another gateway has taken', async () => {
    const { carrier, queue, batches, store, states, turn, look } = stage({
      answer: async (numbers) => {
        await store.take({ by: 'elsewhere', recipient: 'there', until: begun + hour })
        return await keepAll(numbers)
      },
    })
    await queue(maxDirectBatch + 1)
    await carrier.start()
    await expect.poll(async () => (await states(maxDirectBatch)).every((state) => state === 'delivered')).toBe(true)
    await look()
    expect(batches).toEqual([numbersTo(maxDirectBatch)])
    expect(turn()).toMatchObject({ claimedBy: 'elsewhere', claimedUntil: begun + hour })
  })

  test('stops while a recipient is silent, and leaves the recipient to whoever is next, as if it had not been tried', async () => {
    const { carrier, queue, batches, store, turn, states } = stage({ answer: (_numbers, signal) => untilAborted(signal) })
    await queue(1)
    await carrier.start()
    await expect.poll(() => batches.length).toBe(1)
    expect(await store.claim({ by: 'elsewhere', client: 'c', now: begun, until: begun + hour, limit: 1 })).toEqual([])
    await carrier.stop()
    expect(await states(1)).toEqual(['queued'])
    expect(turn()).toMatchObject({ attempts: 0, claimedUntil: begun })
    expect(await store.claim({ by: 'elsewhere', client: 'c', now: begun, until: begun + hour, limit: 1 })).toEqual(['there'])
  })

  test('goes on at once with what a life before was carrying when it ended', async () => {
    const { carrier, queue, store, states } = stage({ isLinked: false })
    await queue(1)
    expect(await store.claim({ by: 'here', client: 'c', now: begun, until: begun + hour, limit: 1 })).toEqual(['there'])
    await carrier.start()
    await expect.poll(() => states(1)).toEqual(['delivered'])
  })

  test('sends at its start to whoever has a link already, before the pause is over', async () => {
    const { carrier, queue, store, states } = stage({ isLinked: true })
    await queue(1)
    await store.claim({ by: 'here', client: 'c', now: begun, until: begun + hour, limit: 1 })
    await store.failed({ by: 'here', recipient: 'there', id: idOf(1), lastError: 'away', dueAt: begun + hour, now: begun })
    await carrier.start()
    await expect.poll(() => states(1)).toEqual(['delivered'])
  })

  test('maxCarried: tries so many recipients at once, and the others after them', async () => {
    const answers: Array<() => void> = []
    const answer = async (numbers: number[]) => {
      await new Promise<void>((resolve) => answers.push(resolve))
      return await keepAll(numbers)
    }
    const { carrier, queue, counts, told } = stage({ isLinked: false, answer, own: { maxCarried: 4 } })
    // A client alone leaves one to others.
    for (const to of ['there', 'elsewhere', 'far away', 'farther away']) await queue(1, to)
    await carrier.start()
    await expect.poll(() => answers.length).toBe(3)
    for (let times = 0; times < 5; times++) {
      carrier.wake()
      await new Promise(setImmediate)
    }
    expect(answers.length).toBe(3)
    answers[0]?.()
    await expect.poll(() => answers.length).toBe(4)
    for (const each of answers) each()
    await expect.poll(() => told.length).toBe(4)
    expect(counts.mostUnderWay).toBe(3)
  })

  test('deliveryKeptMs: what has ended is known for so long, and then no more', async () => {
    const { carrier, queue, clock, store, told } = stage({ own: { deliveryKeptMs: hour } })
    await queue(1)
    await carrier.start()
    await expect.poll(() => told.length).toBe(1)
    const kept = async (at: number) => {
      clock.now = at
      await carrier.stop()
      await carrier.start()
      await carrier.stop()
      return (await store.get(idOf(1)))?.state
    }
    expect(await kept(begun + hour)).toBe('delivered')
    expect(await kept(begun + hour + 60_001)).toBeUndefined()
  })

  test('stops while it dials', async () => {
    const { carrier, queue, counts, turn } = stage({ isLinked: false, dial: untilAborted })
    await queue(1)
    await carrier.start()
    await expect.poll(() => counts.dials).toBe(1)
    await carrier.stop()
    expect(turn()).toMatchObject({ attempts: 0, claimedUntil: begun })
  })

  test('gives up a dial when the recipient appears, and sends to it', async () => {
    const { carrier, queue, counts, states, appear, told, store } = stage({ isLinked: false, dial: untilAborted })
    await queue(1)
    await carrier.start()
    await expect.poll(() => counts.dials).toBe(1)
    appear()
    await expect.poll(() => told.length).toBe(1)
    expect(await states(1)).toEqual(['delivered'])
    expect(await store.get(idOf(1))).toMatchObject({ attempts: 0, lastError: null })
  })

  test('takes a recipient that appears from the gateway that has it, before its pause is over', async () => {
    const { carrier, queue, store, appear, told, counts } = stage({ isLinked: false })
    await queue(1)
    await store.claim({ by: 'elsewhere', client: 'c', now: begun, until: begun + hour, limit: 1 })
    await carrier.start()
    await expect.poll(() => counts.looks).toBeGreaterThan(0)
    expect(told).toEqual([])
    appear()
    await expect.poll(() => told).toEqual([`${idOf(1)} delivered`])
    expect(counts.dials).toBe(0)
  })

  test('leaves a recipient alone that had a link and took nothing, however often it appears', async () => {
    const { carrier, queue, batches, turn, appear, look, clock, store } = stage({ answer: async () => [] })
    await queue(1)
    await carrier.start()
    await expect.poll(() => turn()?.attempts).toBe(1)
    // Whoever takes a recipient asks the store for it.
    let taken = 0
    store.take = async () => {
      taken++
      return undefined
    }
    for (let times = 0; times < 5; times++) appear()
    await look()
    expect([taken, batches.length]).toEqual([0, 1])
    clock.now += limits.firstDeliveryRetryMs
    carrier.wake()
    await expect.poll(() => batches.length).toBe(2)
  })

  describe('of which one client has very many recipients that nobody finds', () => {
    const many = Array.from({ length: 200 }, (_, number) => `nowhere ${number}`)
    const dial = (signal: AbortSignal, peerId: string) =>
      peerId.startsWith('nowhere') ? untilAborted(signal) : Promise.reject(new PeerUnreachable('Nobody is there.'))
    const share = limits.maxCarried / 4

    test('leaves a share of the places to another, which is tried at once', async () => {
      const { carrier, send, look, counts, told } = stage({ dial })
      await carrier.start()
      await look()
      await send('greedy', many)
      await look()
      expect(counts.dials).toBe(limits.maxCarried - share)
      await send('other', ['there'])
      await expect.poll(() => told).toEqual(['other there delivered'])
    })

    test('serves those of another after a restart, and when they are tried again', async () => {
      const { carrier, send, look, counts, store, clock } = stage({ isLinked: false, dial })
      await send('greedy', many)
      await send('other', ['away'])
      await carrier.start()
      const attempts = async () => (await store.get('other away'))?.attempts
      await expect.poll(attempts).toBe(1)
      clock.now += limits.firstDeliveryRetryMs
      await look()
      await expect.poll(attempts).toBe(2)
      expect(counts.dials).toBeLessThanOrEqual(limits.maxCarried)
    })

    test('tries one of its recipients for whoever else sends to it', async () => {
      const { carrier, send, look, told, appear } = stage({ isLinked: false, dial })
      await carrier.start()
      await look()
      await send('greedy', [...many, 'there'])
      await look()
      expect(told).toEqual([])
      await send('other', ['there'])
      appear()
      await expect.poll(() => told.toSorted()).toEqual(['greedy there delivered', 'other there delivered'])
    })
  })
})
