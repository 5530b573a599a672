import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createFrameBudget } from '../../../../src/engine/custom/link/frame-budget.ts'
import { priceOf } from '../../../../src/engine/custom/link/frame-prices.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { createCircuit } from '../../../../src/engine/custom/reach/circuit.ts'
import { type CircuitEnd, type CircuitEndListener, circuitWindow } from '../../../../src/engine/custom/reach/circuit-ends.ts'
import { createRelay } from '../../../../src/engine/custom/reach/relay.ts'
import { ProtocolViolation } from '../../../../src/engine/custom/wire/frame-stream.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { createReachCounter } from '../../../../src/engine/reach/reach-counts.ts'
import type { RelayLimits } from '../../../../src/engine/relay-bounds.ts'

const limits: RelayLimits = {
  maxRelayReservations: 2,
  maxRelayStreams: 20,
  relayBytesPerSecond: 100_000_000,
  relayIdleMs: 60_000,
  maxRelayBytes: 10_000_000,
  relayMs: 60_000,
}

/** A leg that notes what is said on it, and takes data until it is told not to. */
function leg(onFrame: (type: number) => void = () => undefined) {
  const state = { data: 0, credits: [] as number[], closed: [] as string[], isFull: false }
  const parts: CircuitEnd = {
    opened: () => onFrame(frameTypes.circuit),
    data(message) {
      onFrame(frameTypes.circuitData)
      if (!state.isFull) state.data += message.length
      return !state.isFull
    },
    credit(bytes) {
      onFrame(frameTypes.circuitCredit)
      state.credits.push(bytes)
    },
    close(reason) {
      if (state.closed.push(reason) === 1) onFrame(frameTypes.circuit)
    },
  }
  return { ...parts, state }
}

const link = (peerId: string, isRelayed = false, seenAt = '127.0.0.1') => ({ peerId, isRelayed, seenAt }) as Link

/** A relay among links; the ends of a circuit say what the test has them say, without an honest end between. */
function relay(own: Partial<RelayLimits> = {}, { now, onFrame }: { now?: () => number; onFrame?: (type: number) => void } = {}) {
  const reached = createLimitsReached()
  const links = new Map([link('opener'), link('another'), link('target'), link('hidden', true)].map((each) => [each.peerId, each]))
  const begun: Array<{ leg: ReturnType<typeof leg>; listener: CircuitEndListener }> = []
  const parts = createRelay(
    { limits: { ...limits, ...own } },
    {
      linkTo: (peerId) => links.get(peerId),
      reached,
      counter: createReachCounter(),
      ...(now !== undefined && { now }),
      legs: () => ({
        begin(_link, _role, _peerId, listener) {
          onFrame?.(frameTypes.circuit)
          const begins = { leg: leg(onFrame), listener }
          begun.push(begins)
          return begins.leg
        },
        show: () => undefined,
        receive: () => undefined,
        lost: () => undefined,
      }),
    },
  )
  const open = (from = 'opener', to = 'target') => parts.open(links.get(from) ?? link(from), to, leg())
  /** Opens a circuit to the target, if it is not refused; answers what the relay hears of each end, and their legs. */
  function tryCircuit(from: string, onNearFrame?: (type: number) => void) {
    const near = leg(onNearFrame)
    const listener = parts.open(links.get(from) ?? link(from), 'target', near)
    const far = begun.at(-1)
    if (typeof listener === 'string' || far === undefined) return undefined
    return { near, far: far.leg, fromOpener: listener, fromTarget: far.listener }
  }
  function circuit() {
    const opened = tryCircuit('opener')
    if (opened === undefined) throw new Error('no circuit was opened')
    return opened
  }
  return { ...parts, size: () => parts.size, links, open, circuit, tryCircuit, reached: reached.counts }
}

describe('the window of a circuit', () => {
  test.each(['fromOpener', 'fromTarget'] as const)('bounds what a relay holds, whatever its ends say (%s)', (end) => {
    const { reserve, circuit } = relay()
    reserve('target')
    const ends = circuit()
    ends[end].onData(Buffer.alloc(circuitWindow))
    expect((end === 'fromOpener' ? ends.far : ends.near).state.data).toBe(circuitWindow)
    expect(() => ends[end].onData(Buffer.alloc(16))).toThrow(ProtocolViolation)
    const other = circuit()[end]
    other.onData(Buffer.alloc(circuitWindow - 16))
    expect(() => other.onData(Buffer.alloc(17))).toThrow(ProtocolViolation)
  })

  test('grows by what the other end has read; an end that says it has read more is cut, and the other is given nothing for it', () => {
    const { reserve, circuit } = relay()
    reserve('target')
    const { near, fromOpener, fromTarget } = circuit()
    fromOpener.onData(Buffer.alloc(1_000))
    for (const bytes of [0, 1_001]) expect(() => fromTarget.onCredit(bytes)).toThrow(ProtocolViolation)
    expect(near.state.credits).toEqual([])
    fromTarget.onCredit(1_000)
    expect(() => fromTarget.onCredit(1)).toThrow(ProtocolViolation)
    expect(near.state.credits).toEqual([1_000])
    fromOpener.onData(Buffer.alloc(circuitWindow))
    expect(() => fromOpener.onData(Buffer.alloc(16))).toThrow(ProtocolViolation)
  })

  test('is one for each direction', () => {
    const { reserve, circuit } = relay()
    reserve('target')
    const { fromOpener, fromTarget } = circuit()
    fromOpener.onData(Buffer.alloc(circuitWindow))
    fromTarget.onData(Buffer.alloc(circuitWindow))
    // What the opener says it has read lets the target send, not itself.
    fromOpener.onCredit(circuitWindow)
    fromTarget.onData(Buffer.alloc(circuitWindow))
    expect(() => fromOpener.onData(Buffer.alloc(16))).toThrow(ProtocolViolation)
  })

  test('bounds what an end holds, and what it sends', () => {
    const own = leg()
    const end = createCircuit(own)
    end.send(Buffer.alloc(circuitWindow), { binary: true })
    end.send(Buffer.alloc(16), { binary: true })
    expect(own.state.data).toBe(circuitWindow)
    end.listener.onCredit(16)
    expect(own.state.data).toBe(circuitWindow + 16)
    end.listener.onData(Buffer.alloc(circuitWindow))
    expect(() => end.listener.onData(Buffer.alloc(16))).toThrow(ProtocolViolation)
  })

  test('of an end is never more than at first: credit for what was not sent ends the circuit, and not the link to the relay', () => {
    const own = leg()
    const end = createCircuit(own)
    end.send(Buffer.alloc(1_000), { binary: true })
    end.listener.onCredit(1_000)
    expect(end.readyState).toBe(end.OPEN)
    end.listener.onCredit(1)
    expect(end.readyState).not.toBe(end.OPEN)
    expect(own.state.closed).toEqual(['credit that is not due'])
  })
})

describe('a message of a circuit that is shorter than a record', () => {
  test('has its sender cut by the relay: a window would hold any number of them', () => {
    const { reserve, circuit } = relay()
    reserve('target')
    const { far, fromOpener } = circuit()
    for (const bytes of [0, 15]) expect(() => fromOpener.onData(Buffer.alloc(bytes))).toThrow(ProtocolViolation)
    fromOpener.onData(Buffer.alloc(16))
    expect(far.state.data).toBe(16)
  })

  test.each([0, 15])('ends the circuit at its other end, which holds no more than a window of records (%i bytes)', (bytes) => {
    const own = leg()
    const end = createCircuit(own)
    end.pause()
    for (let count = 0; count < circuitWindow / 16; count++) end.listener.onData(Buffer.alloc(16))
    expect(() => end.listener.onData(Buffer.alloc(16))).toThrow(ProtocolViolation)
    const other = createCircuit(own)
    other.listener.onData(Buffer.alloc(bytes))
    expect(other.readyState).not.toBe(other.OPEN)
    expect(own.state.closed).toEqual(['a message is too short'])
  })
})

describe('what a relay passes on costs it less than its budget at the peer that gets it', () => {
  /** Counts what a peer charges the relay for frames; notes when it reads the relay no longer. */
  function budgetAt(now: () => number) {
    const budget = createFrameBudget()
    const paused: Array<number | 'over'> = []
    const onFrame = (type: number) => {
      const until = budget.charge(now(), priceOf(type))
      if (until === 'over' || until > now()) paused.push(until)
    }
    return { paused, onFrame }
  }

  /** Many openers, each at an address of its own, and one among them that does little. */
  function crowd() {
    let time = 0
    const now = () => time
    const { paused, onFrame } = budgetAt(now)
    const parts = relay({ maxRelayStreams: 100 }, { now, onFrame })
    const openers = Array.from({ length: 20 }, (_, index) => `hostile ${index}`)
    for (const [index, peerId] of openers.entries()) parts.links.set(peerId, link(peerId, false, `8.8.${index}.1`))
    parts.links.set('modest', link('modest', false, '9.9.9.9'))
    parts.reserve('target')
    const pass = (ms: number) => {
      time += ms
    }
    return { ...parts, openers, paused, pass }
  }

  test('however many circuits lead to it, and an opener with few still finds room', () => {
    const { tryCircuit: circuit, openers, paused, pass } = crowd()
    const offers = new Map<string, number>()
    for (let round = 0; round < 100; round++) {
      for (const opener of openers.flatMap((peerId) => Array<string>(10).fill(peerId))) {
        const ends = circuit(opener)
        ends?.fromOpener.onClose('done')
        if (ends !== undefined) offers.set(opener, (offers.get(opener) ?? 0) + 1)
      }
      pass(100)
      if (round % 20 > 0) continue
      const ends = circuit('modest')
      expect(ends).toBeDefined()
      ends?.fromOpener.onClose('done')
    }
    expect(Math.min(...openers.map((opener) => offers.get(opener) ?? 0))).toBeGreaterThan(10)
    expect(paused).toEqual([])
  })

  test('however many short messages come on them, and a circuit with few stays open', () => {
    const { tryCircuit: circuit, openers, paused, pass } = crowd()
    const modest = circuit('modest')
    let sent = 0
    let ended = 0
    for (let round = 0; round < 50; round++) {
      for (const opener of openers) {
        const ends = circuit(opener)
        if (ends === undefined) continue
        for (let count = 0; count < 5_000 && ends.near.state.closed.length === 0; count++, sent++) ends.fromOpener.onData(Buffer.alloc(16))
        ended += ends.near.state.closed.length
        ends.fromOpener.onClose('done')
      }
      pass(100)
      modest?.fromOpener.onData(Buffer.alloc(16))
    }
    expect(sent).toBeGreaterThan(10_000)
    expect(ended).toBeGreaterThan(0)
    expect(modest?.near.state.closed).toEqual([])
    expect(paused).toEqual([])
  })

  test('however small the steps are in which the other end gives credit', () => {
    const { paused, onFrame } = budgetAt(() => 0)
    const { reserve, tryCircuit: circuit } = relay({}, { now: () => 0 })
    reserve('target')
    for (let round = 0; round < 10; round++) {
      const ends = circuit('opener', onFrame)
      if (ends === undefined) break
      ends.fromOpener.onData(Buffer.alloc(circuitWindow))
      for (let bytes = 0; bytes < circuitWindow && ends.near.state.closed.length === 0; bytes++) ends.fromTarget.onCredit(1)
      ends.fromOpener.onClose('done')
    }
    expect(paused).toEqual([])
  })
})

test('a circuit is opened once, by its target', () => {
  const { reserve, circuit } = relay()
  reserve('target')
  const { fromOpener, fromTarget } = circuit()
  expect(() => fromOpener.onOpened()).toThrow(ProtocolViolation)
  fromTarget.onOpened()
  expect(() => fromTarget.onOpened()).toThrow(ProtocolViolation)
})

describe('a circuit', () => {
  test('ends at both sides, with its place, when a link takes no more', () => {
    const { reserve, circuit, size } = relay()
    reserve('target')
    const { near, far, fromOpener } = circuit()
    expect(size().circuits).toBe(1)
    far.state.isFull = true
    fromOpener.onData(Buffer.alloc(16))
    expect([near.state.closed, far.state.closed]).toEqual([[expect.stringMatching(/has no room/)], [expect.stringMatching(/has no room/)]])
    expect(size().circuits).toBe(0)
  })

  test('carries a bounded number of bytes in each direction', () => {
    const { reserve, circuit } = relay({ maxRelayBytes: 1_000 })
    reserve('target')
    const { near, far, fromOpener, fromTarget } = circuit()
    fromOpener.onData(Buffer.alloc(1_000))
    fromTarget.onData(Buffer.alloc(1_000))
    expect(near.state.closed).toEqual([])
    fromTarget.onData(Buffer.alloc(16))
    expect(near.state.closed).toEqual([expect.stringMatching(/maximum number of bytes/)])
    expect(far.state.closed).toHaveLength(1)
  })

  test('leads to those who asked for it and are linked directly, and to nobody through another circuit', () => {
    const { reserve, lost, links, open } = relay()
    expect(open()).toMatch(/no reservation at this relay/)
    expect(reserve('hidden')).toBe(false)
    expect(reserve('stranger')).toBe(false)
    expect(open('opener', 'hidden')).toMatch(/no reservation at this relay/)
    reserve('target')
    expect(open('hidden')).toMatch(/direct links only/)
    expect(open('target')).toMatch(/direct links only/)
    expect(typeof open()).toBe('object')
    lost('target')
    links.delete('target')
    links.set('target', link('target'))
    expect(open()).toMatch(/no reservation at this relay/)
  })

  test('of a peer that opens many leaves room for the others, and a closed one gives its place back', () => {
    const { reserve, circuit, open, size, reached } = relay({ maxRelayStreams: 40 })
    reserve('target')
    const [first] = Array.from({ length: 16 }, circuit)
    expect(open()).toMatch(/maximum number of circuits of one peer/)
    for (let count = 0; count < 14; count++) expect(typeof open('another')).toBe('object')
    expect(open('another')).toMatch(/the target peer has reached its share of circuits/)
    expect(reached.relay_circuit).toBe(2)
    first?.fromOpener.onClose('done')
    first?.fromTarget.onClose('done')
    expect(size().circuits).toBe(29)
    expect(typeof open()).toBe('object')
  })

  test('is for a bounded number of peers that ask for it', () => {
    const { reserve, lost } = relay()
    expect([reserve('target'), reserve('opener'), reserve('another'), reserve('target')]).toEqual([true, true, false, true])
    lost('opener')
    expect(reserve('another')).toBe(true)
  })

  test('an address has a quarter of the reservations while others have any', () => {
    const { reserve, lost, links, reached } = relay({ maxRelayReservations: 8 })
    for (const [index, at] of [...Array<string>(3).fill('8.8.4.7'), '8.8.8.8'].entries()) links.set(`${index}`, link(`${index}`, false, at))
    expect([reserve('0'), reserve('3'), reserve('1'), reserve('2')]).toEqual([true, true, true, false])
    expect(reached.relay_reservation).toBe(1)
    lost('0')
    expect(reserve('2')).toBe(true)
  })

  describe('in time', () => {
    beforeEach(() => void vi.useFakeTimers())
    afterEach(() => void vi.useRealTimers())

    test('relayBytesPerSecond: an end that sent more is given credit when the relay may carry again, all of it', () => {
      const { reserve, circuit } = relay({ relayBytesPerSecond: 1_000 })
      reserve('target')
      const { near, far, fromOpener, fromTarget } = circuit()
      fromOpener.onData(Buffer.alloc(1_500))
      expect(far.state.data).toBe(1_500)
      fromTarget.onCredit(1_000)
      fromTarget.onCredit(500)
      vi.advanceTimersByTime(400)
      expect(near.state.credits).toEqual([])
      vi.advanceTimersByTime(200)
      expect(near.state.credits).toEqual([1_500])
      expect(near.state.closed).toEqual([])
    })

    test('credits of a circuit that is over are not passed on', () => {
      const { reserve, circuit } = relay({ relayBytesPerSecond: 1_000 })
      reserve('target')
      const [first, second] = [circuit(), circuit()]
      for (const { fromOpener, fromTarget } of [first, second]) {
        fromOpener.onData(Buffer.alloc(1_500))
        for (let count = 0; count < 3; count++) fromTarget.onCredit(500)
      }
      second.fromTarget.onClose('done')
      vi.advanceTimersByTime(10_000)
      expect(first.near.state.credits).toEqual([1_500])
      expect(second.near.state.credits).toEqual([])
    })

    test('relayIdleMs: ends when it has carried nothing for so long', () => {
      const { reserve, circuit, size } = relay({ relayIdleMs: 300 })
      reserve('target')
      const { near, far, fromTarget } = circuit()
      vi.advanceTimersByTime(299)
      fromTarget.onData(Buffer.alloc(16))
      vi.advanceTimersByTime(299)
      expect(near.state.closed).toEqual([])
      vi.advanceTimersByTime(1)
      expect([near.state.closed, far.state.closed]).toEqual([
        [expect.stringMatching(/idle for too long/)],
        [expect.stringMatching(/idle for too long/)],
      ])
      expect(size().circuits).toBe(0)
    })

    test('ends when its time is over', () => {
      const { reserve, circuit, size } = relay({ relayMs: 300 })
      reserve('target')
      const { near, far } = circuit()
      vi.advanceTimersByTime(299)
      expect(near.state.closed).toEqual([])
      vi.advanceTimersByTime(1)
      expect([near.state.closed, far.state.closed]).toEqual([
        [expect.stringMatching(/maximum duration/)],
        [expect.stringMatching(/maximum duration/)],
      ])
      expect(size().circuits).toBe(0)
    })
  })
})
