import { randomBytes } from 'node:crypto'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { establish } from '../../../../src/engine/custom/link/establish.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { createSecureChannel, type SecureChannel } from '../../../../src/engine/custom/link/secure-channel.ts'
import { type Circuit, createCircuit, openCircuit } from '../../../../src/engine/custom/reach/circuit.ts'
import {
  type CircuitEnds,
  type CircuitEndsComponents,
  circuitWindow,
  createCircuitEnds,
} from '../../../../src/engine/custom/reach/circuit-ends.ts'
import { createRelay, type Relay } from '../../../../src/engine/custom/reach/relay.ts'
import { ProtocolViolation } from '../../../../src/engine/custom/wire/frame-stream.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { createReachCounter } from '../../../../src/engine/reach/reach-counts.ts'
import type { RelayLimits } from '../../../../src/engine/relay-bounds.ts'
import { fakeLink, notShown } from '../../../fixtures/fake-link.ts'
import { unbounded } from '../../../fixtures/raw-peer.ts'

const signal = AbortSignal.timeout(60_000)
const limits: RelayLimits = {
  maxRelayReservations: 10,
  maxRelayStreams: 100,
  relayBytesPerSecond: 100_000_000,
  relayIdleMs: 60_000,
  maxRelayBytes: 10_000_000,
  relayMs: 60_000,
}

interface Network {
  relay: Relay
  /** Has the opener open a circuit to the target; answers both ends. */
  open(): Promise<{ opener: Circuit; target: Circuit }>
  /** What the relay was given to carry. */
  carried: Buffer[]
  cut(who: 'opener' | 'target'): void
}

/** An opener and a target, each with a link to a relay. */
function network(own: Partial<RelayLimits> = {}): Network {
  const carried: Buffer[] = []
  const circuits: Circuit[] = []
  const none: CircuitEndsComponents['onBegin'] = () => 'not here'
  const openerLegs: CircuitEnds = createCircuitEnds({ maxLegsPerLink: 100 }, { onBegin: none, ...notShown })
  const targetLegs: CircuitEnds = createCircuitEnds(
    { maxLegsPerLink: 100 },
    {
      ...notShown,
      onBegin(_link, _role, _from, leg) {
        leg.opened()
        const circuit = createCircuit(leg)
        circuits.push(circuit)
        return circuit.listener
      },
    },
  )
  const relayLegs: CircuitEnds = createCircuitEnds(
    { maxLegsPerLink: 100 },
    { onBegin: (link, _role, to, leg) => relay.open(link, to, leg), ...notShown },
  )
  const tap = (legs: CircuitEnds): CircuitEnds => ({
    ...legs,
    receive(link, type, body) {
      if (type === frameTypes.circuitData) carried.push(Buffer.from(body))
      legs.receive(link, type, body)
    },
  })
  const opener = fakeLink('opener', openerLegs, 'relay', tap(relayLegs))
  const target = fakeLink('target', targetLegs, 'relay', tap(relayLegs))
  const relay = createRelay(
    { limits: { ...limits, ...own } },
    {
      legs: () => relayLegs,
      linkTo: (peerId) => (peerId === 'target' ? target.there : opener.there),
      reached: createLimitsReached(),
      counter: createReachCounter(),
    },
  )
  relay.reserve('target')
  return {
    relay,
    carried,
    async open() {
      const end = await openCircuit((listener) => openerLegs.begin(opener.here, 'open', 'target', listener), signal)
      const other = circuits.at(-1)
      if (other === undefined) throw new Error('the target has no circuit')
      return { opener: end, target: other }
    },
    cut: (who) => (who === 'opener' ? relayLegs.lost(opener.there) : relayLegs.lost(target.there)),
  }
}

function read(circuit: Circuit): Buffer[] {
  const messages: Buffer[] = []
  circuit.on('message', (message) => messages.push(message))
  circuit.resume()
  return messages
}

function closing(circuit: Circuit): Promise<void> {
  return new Promise((resolve) => circuit.once('close', resolve))
}

async function secured(circuit: Circuit, role: 'initiator' | 'responder'): Promise<{ channel: SecureChannel; frames: Buffer[] }> {
  const established = await establish(circuit, { role, seed: randomBytes(32) }, signal)
  const frames: Buffer[] = []
  const onFrame = (_type: number, body: Buffer) => frames.push(Buffer.from(body))
  const channel = createSecureChannel(unbounded(4_194_304), { socket: circuit, established, onFrame, onClose: () => undefined })
  onTestFinished(() => channel.close())
  channel.resume()
  return { channel, frames }
}

test('what the ends say to each other passes the relay encrypted, whole and in order', async () => {
  const { open, carried } = network()
  const { opener, target } = await open()
  const [a, b] = await Promise.all([secured(opener, 'initiator'), secured(target, 'responder')])
  const secret = Buffer.from('what nobody else may read'.repeat(100_000))
  a.channel.write(2, secret)
  b.channel.write(2, Buffer.from('an answer'))
  await expect.poll(() => b.frames.length).toBe(1)
  expect(b.frames[0]?.equals(secret)).toBe(true)
  await expect.poll(() => a.frames.map(String)).toEqual(['an answer'])
  expect(carried.length).toBeGreaterThan(30)
  expect(carried.some((message) => message.includes('nobody else may read'))).toBe(false)
})

test('an end that reads nothing stops the other end, and the relay holds a window at most', async () => {
  const { open, carried } = network()
  const { opener, target } = await open()
  target.pause()
  const messages = read(target)
  target.pause()
  for (let count = 0; count < 100; count++) opener.send(Buffer.alloc(10_000, count), { binary: true })
  await expect.poll(() => carried.length).toBe(Math.floor(circuitWindow / 10_000))
  expect(opener.bufferedAmount).toBe(1_000_000 - carried.length * 10_000)
  target.resume()
  await expect.poll(() => messages.map(([first]) => first)).toEqual(Array.from({ length: 100 }, (_, count) => count))
  expect(opener.bufferedAmount).toBe(0)
})

test.each(['opener', 'target'] as const)('both ends close when the link of the %s is lost', async (who) => {
  const { open, cut, relay } = network()
  const { opener, target } = await open()
  const closed = closing(who === 'opener' ? target : opener)
  cut(who)
  await closed
  expect(relay.size.circuits).toBe(0)
})

test('a closed end closes the other', async () => {
  const { open, relay } = network()
  const { opener, target } = await open()
  const closed = closing(target)
  opener.close()
  await closed
  expect(target.readyState).not.toBe(target.OPEN)
  expect(relay.size.circuits).toBe(0)
})

test('maxRelayBytes: a circuit that has carried more in one direction is closed', async () => {
  const { open } = network({ maxRelayBytes: 100_000 })
  const { opener, target } = await open()
  const messages = read(target)
  const closed = closing(opener)
  for (let count = 0; count < 11; count++) opener.send(Buffer.alloc(10_000), { binary: true })
  await closed
  await expect.poll(() => messages.length).toBe(10)
})

test('a peer opens sixteen circuits at most, and a peer is reached by a share of all', async () => {
  const { open } = network()
  for (let count = 0; count < 16; count++) await open()
  await expect(open()).rejects.toThrow(/maximum number of circuits of one peer/)
  // A quarter stays free for whoever else is to be reached.
  const small = network({ maxRelayStreams: 4 })
  for (let count = 0; count < 3; count++) await small.open()
  await expect(small.open()).rejects.toThrow(/the target peer has reached its share of circuits/)
})

describe('a peer that breaks the protocol', () => {
  const listening = () =>
    createCircuitEnds({ maxLegsPerLink: 2 }, { onBegin: (_link, _role, _peer, leg) => createCircuit(leg).listener, ...notShown })
  const number = (value: number) => Buffer.from([0, 0, 0, value])

  test('sends more than it was let to: the link is closed', () => {
    const { here } = fakeLink('a', listening(), 'b', listening())
    const legs = listening()
    legs.receive(here, frameTypes.circuit, Buffer.from(encode({ type: 'offer', id: 1, from: 'x' })))
    const send = (bytes: number) => legs.receive(here, frameTypes.circuitData, Buffer.concat([number(1), Buffer.alloc(bytes)]))
    send(circuitWindow)
    expect(() => send(1)).toThrow(ProtocolViolation)
  })

  test('gives credit in a frame of another length, or names no circuit: the link is closed', () => {
    const { here } = fakeLink('a', listening(), 'b', listening())
    const legs = listening()
    const credit = (bytes: number) => legs.receive(here, frameTypes.circuitCredit, Buffer.alloc(bytes))
    credit(8)
    for (const bytes of [0, 3, 4, 7, 9, 12]) expect(() => credit(bytes)).toThrow(ProtocolViolation)
    expect(() => legs.receive(here, frameTypes.circuitData, Buffer.alloc(3))).toThrow(ProtocolViolation)
  })

  test('takes a number that is not its own, or not free, and opens more than it may', () => {
    const { here, sent } = fakeLink('a', listening(), 'b', listening())
    const legs = listening()
    const offer = (id: number) => legs.receive(here, frameTypes.circuit, Buffer.from(encode({ type: 'offer', id, from: 'x' })))
    expect(() => offer(2)).toThrow(ProtocolViolation)
    offer(1)
    expect(() => offer(1)).toThrow(ProtocolViolation)
    offer(3)
    const before = sent.length
    offer(5)
    expect(Buffer.concat(sent.slice(before)).toString()).toContain('too many circuits')
  })

  test('sends anything at all: nothing but a violation comes of it', () => {
    const { here } = fakeLink('a', listening(), 'b', listening())
    const types = [frameTypes.circuit, frameTypes.circuitData, frameTypes.circuitCredit]
    const frame = fc.record({ type: fc.constantFrom(...types), body: fc.uint8Array({ maxLength: 64 }) })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), (frames) => {
        const legs = listening()
        legs.receive(here, frameTypes.circuit, Buffer.from(encode({ type: 'offer', id: 1, from: 'x' })))
        try {
          for (const { type, body } of frames) legs.receive(here, type, Buffer.from(body))
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolViolation)
        }
      }),
    )
  })
})
