import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createReachCounter } from '../../src/engine/reach/reach-counts.ts'
import { createRelayBounds, type RelayLimits } from '../../src/engine/relay-bounds.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const byDefault: RelayLimits = {
  maxRelayReservations: 10,
  maxRelayStreams: 10,
  relayBytesPerSecond: 1_000,
  relayIdleMs: 500,
  maxRelayBytes: 0,
  relayMs: 0,
}

/** A circuit of a peer, and why it was ended. */
function relay(own: Partial<RelayLimits> = {}) {
  const counter = createReachCounter()
  const bounds = createRelayBounds({ limits: { ...byDefault, ...own } }, { counter })
  const begin = (opener: string) => {
    const ended: string[] = []
    return { ended, circuit: bounds.begin({ opener, seenAt: undefined, target: 'target' }, (reason) => void ended.push(reason)) }
  }
  return Object.assign(begin, { counts: counter.counts })
}

test('relayBytesPerSecond: a circuit that has carried more has to wait, and one of somebody else has not', () => {
  const begin = relay()
  const { circuit } = begin('busy')
  const { circuit: other } = begin('modest')
  circuit.carried('there', 999)
  expect(circuit.waitMs()).toBe(0)
  circuit.carried('back', 501)
  expect(circuit.waitMs()).toBeGreaterThan(0)
  expect(other.waitMs()).toBe(0)
  vi.advanceTimersByTime(400)
  expect(circuit.waitMs()).toBeGreaterThan(0)
  vi.advanceTimersByTime(200)
  expect(circuit.waitMs()).toBe(0)
})

test('relayIdleMs: a circuit that carries nothing ends; while it carries it does not, however long', () => {
  const { circuit, ended } = relay({ relayIdleMs: 500 })('opener')
  for (let count = 0; count < 100; count++) {
    vi.advanceTimersByTime(499)
    circuit.carried(count % 2 === 0 ? 'there' : 'back', 1)
  }
  expect(ended).toEqual([])
  vi.advanceTimersByTime(500)
  expect(ended).toEqual([expect.stringMatching(/idle for too long/)])
})

test('maxRelayBytes and relayMs of 0 end no circuit', () => {
  const { circuit, ended } = relay()('opener')
  for (let count = 0; count < 10_000; count++) {
    vi.advanceTimersByTime(499)
    circuit.carried('there', 1_000_000_000)
  }
  expect(ended).toEqual([])
})

test('maxRelayBytes: counts each direction by itself', () => {
  const { circuit, ended } = relay({ maxRelayBytes: 1_000 })('opener')
  circuit.carried('there', 1_000)
  circuit.carried('back', 1_000)
  expect(ended).toEqual([])
  circuit.carried('back', 1)
  expect(ended).toEqual([expect.stringMatching(/maximum number of bytes/)])
})

test('relayMs: a circuit ends, once, when its time is over, busy or not; one that was over before does not end again', () => {
  const begin = relay({ relayMs: 300, maxRelayBytes: 10 })
  const { circuit, ended } = begin('opener')
  const gone = begin('opener')
  gone.circuit[Symbol.dispose]()
  vi.advanceTimersByTime(299)
  circuit.carried('there', 1)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(1)
  circuit.carried('there', 100)
  vi.advanceTimersByTime(10_000)
  expect(ended).toEqual([expect.stringMatching(/maximum duration/)])
  expect(gone.ended).toEqual([])
})

test('circuits are counted until they end, by themselves or not, and their bytes for good', () => {
  const begin = relay({ maxRelayBytes: 1_000 })
  const [one, other] = [begin('one'), begin('other')]
  one.circuit.carried('there', 600)
  one.circuit.carried('back', 300)
  expect(begin.counts).toMatchObject({ circuits: 2, circuitBytes: 900 })
  one.circuit.carried('there', 500)
  expect(one.ended).toHaveLength(1)
  one.circuit[Symbol.dispose]()
  one.circuit.carried('back', 100)
  expect(begin.counts).toMatchObject({ circuits: 1, circuitBytes: 1_400 })
  other.circuit[Symbol.dispose]()
  other.circuit[Symbol.dispose]()
  expect(begin.counts).toMatchObject({ circuits: 0, circuitBytes: 1_400 })
})
