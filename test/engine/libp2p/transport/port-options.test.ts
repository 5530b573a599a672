import type { DialTransportOptions, MultiaddrConnection, Upgrader, UpgraderOptions } from '@libp2p/interface'
import { expect, onTestFinished, test, vi } from 'vitest'
import { abortingUntilConnected, type PortOptions } from '../../../../src/engine/libp2p/transport/port-options.ts'

/** A dial with a signal that its caller can end, as a transport makes it, and what it has upgraded. */
function dial(options: PortOptions = {}) {
  const caller = new AbortController()
  const upgradeOutbound = vi.fn<Upgrader['upgradeOutbound']>()
  const upgrader: Upgrader = Object.assign(Object.create(null), { upgradeOutbound })
  const given: DialTransportOptions & PortOptions = { signal: caller.signal, upgrader, ...options }
  const connection: MultiaddrConnection = Object.assign(Object.create(null), { direction: 'outbound' })
  const begin = (connectMs?: number) => {
    const { signal, upgrader: own } = abortingUntilConnected(given, connectMs)
    const connect = () => own.upgradeOutbound(connection, Object.assign(Object.create(null), { signal }) satisfies UpgraderOptions)
    return { signal, connect }
  }
  return { caller, begin, connection, upgradedWith: () => upgradeOutbound.mock.calls.map(([, { signal }]) => signal) }
}

test('a dial ends with its caller while it connects, and is not upgraded then', () => {
  const { caller, begin, upgradedWith } = dial()
  const { signal, connect } = begin()
  expect(signal.aborted).toBe(false)
  caller.abort(new Error('given up'))
  expect(signal.reason).toEqual(new Error('given up'))
  expect(connect).toThrow('given up')
  expect(upgradedWith()).toEqual([])
})

test('a dial that was given up before it began does not begin', () => {
  const { caller, begin } = dial()
  caller.abort(new Error('given up'))
  expect(begin().signal.reason).toEqual(new Error('given up'))
})

test('the socket of a link that is open outlasts its caller, whose signal the upgrade has', () => {
  const { caller, begin, upgradedWith } = dial()
  const { signal, connect } = begin()
  void connect()
  expect(upgradedWith()).toEqual([caller.signal])
  caller.abort(new Error('given up'))
  expect(signal.aborted).toBe(false)
})

test('a dial with a time to connect is given up after it, and not once it is connected, however long the process stood still', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const [late, connected, during] = [dial().begin(1_500), dial().begin(1_500), dial().begin(1_500)]
  void connected.connect()
  await vi.advanceTimersByTimeAsync(1_499)
  expect(late.signal.aborted).toBe(false)
  // The timer comes first, then what the system has told meanwhile.
  vi.advanceTimersByTime(1)
  void during.connect()
  await vi.advanceTimersByTimeAsync(1)
  expect(late.signal.reason).toEqual(new Error('no answer within 1500 ms'))
  expect(late.connect).toThrow('no answer')
  expect([connected, during].map(({ signal }) => signal.aborted)).toEqual([false, false])
})

test('the upgrade of a dial that punches a hole has a signal of its own', () => {
  const { signal: connectedSignal } = new AbortController()
  const { begin, upgradedWith } = dial({ connectedSignal })
  void begin().connect()
  expect(upgradedWith()).toEqual([connectedSignal])
})

test.each([
  [undefined, 'outbound'],
  [true, 'outbound'],
  [false, 'inbound'],
])('with initiator %s the connection is %s', (initiator, direction) => {
  const { begin, connection } = dial(initiator === undefined ? {} : { initiator })
  void begin().connect()
  expect(connection.direction).toBe(direction)
})
