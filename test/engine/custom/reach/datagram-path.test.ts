import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { encode } from 'cborg'
import { expect, onTestFinished, test } from 'vitest'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { signals } from '../../../../src/engine/custom/reach/protocols.ts'
import { type DatagramEnd, type DatagramEndsOptions, datagramEnds } from '../../../fixtures/datagram-ends.ts'
import { holdDeadlines } from '../../../fixtures/held-deadlines.ts'

const signal = AbortSignal.timeout(600_000)
const patience = { timeout: 60_000 }

/** Two ends with a link over UDP. */
async function linked(options: DatagramEndsOptions = {}): Promise<{ a: DatagramEnd; b: DatagramEnd; link: Link; other: Link }> {
  const [a, b] = await datagramEnds(options)
  for (const { handlers } of [a, b]) {
    handlers.set('/echo/1', async ({ body }) => body, { maxRequestBytes: 2_000_000, maxConcurrent: 4 })
  }
  a.path.step()
  await expect.poll(() => [a.links.length, b.links.length], patience).toEqual([1, 1])
  const [link] = a.links
  const [other] = b.links
  if (link === undefined || other === undefined) throw new Error('there is no link')
  return { a, b, link, other }
}

/** Frames of the link's gossip, as many as it has room for at a time. */
async function sendAll(link: Link, count: number, bytes: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const frame = Buffer.alloc(bytes)
    frame.writeUInt32BE(number)
    await expect.poll(() => link.send(frameTypes.message, frame), { ...patience, interval: 5 }).toBe(true)
  }
}

const numbers = ({ frames }: DatagramEnd) => frames.map((frame) => frame.readUInt32BE())
const first = (count: number) => Array.from({ length: count }, (_, number) => number)

test('the ends of a relayed link get one over UDP, which carries messages and requests in both directions', async () => {
  const { a, b, link, other } = await linked()
  expect(link).toMatchObject({ peerId: b.peerId, direction: 'outbound', isRelayed: false, path: { by: 'webrtc', via: null } })
  expect(other).toMatchObject({ peerId: a.peerId, direction: 'inbound', isRelayed: false, path: { by: 'webrtc' }, seenAt: undefined })
  expect(link.dialledAt).toMatch(/\/p2p-circuit$/)
  expect([a.outcomes, b.outcomes]).toEqual([['succeeded'], ['succeeded']])
  const body = Buffer.alloc(1_000_000, 'x')
  const echoed = await Promise.all([link, other].map((each) => each.request('/echo/1', body, { signal, maxAnswerBytes: body.length })))
  expect(echoed.map((answer) => Buffer.compare(answer, body))).toEqual([0, 0])
  expect(await link.ping(signal)).toBeGreaterThanOrEqual(0)
  await Promise.all([sendAll(link, 1_000, 100), sendAll(other, 1_000, 100)])
  await expect.poll(() => [numbers(a), numbers(b)], patience).toEqual([first(1_000), first(1_000)])
})

test('a burst that is larger than every buffer arrives whole and in order, and an end that closes in the middle of it loses nothing that was sent', async () => {
  const { b, link, other } = await linked()
  await sendAll(link, 60, 200_000)
  await expect.poll(() => b.frames.length, patience).toBe(60)
  expect(numbers(b)).toEqual(first(60))
  b.frames.length = 0
  // The credit for the burst has come back: an end that closes drops what waits for credit.
  await link.ping(signal)
  await sendAll(link, 5, 20_000)
  // An end that closes has a second for what it has sent.
  const passDeadlines = holdDeadlines(1_000)
  link.close({ reason: 'full', retryAfterMs: 1_000 })
  await expect.poll(() => numbers(b), patience).toEqual(first(5))
  // It comes after them.
  await expect.poll(() => other.goodbye, patience).toMatchObject({ reason: 'full' })
  passDeadlines()
  await Promise.all([link.closed, other.closed])
})

test('an end that is cut off tells the other, and gives its place back', async () => {
  const { a, b, link, other } = await linked({ limits: { maxWebrtcConnections: 1 } })
  link.cut()
  await Promise.all([link.closed, other.closed])
  await Promise.all([...a.connections, ...b.connections].map(({ ended }) => ended))
  a.now += 60_000
  b.now += 60_000
  a.path.step()
  await expect.poll(() => [a.links.length, b.links.length], patience).toEqual([2, 2])
})

test('nothing begins while TCP may still find a way, on a link that the other end dialled, or while an attempt is in progress', async () => {
  const [early] = await datagramEnds({ isDue: false })
  early.path.step()
  const [a, b] = await datagramEnds()
  b.path.step()
  a.path.step()
  a.path.step()
  await expect.poll(() => a.links.length, patience).toBe(1)
  expect([early, a, b].map(({ connections }) => connections.length)).toEqual([0, 1, 1])
})

test('an end names its public addresses only', async () => {
  const told: string[] = []
  await linked({
    signals(bytes) {
      told.push(...signals.decode(bytes).candidates)
      return bytes
    },
  })
  expect(told.length).toBeGreaterThan(0)
  expect(told.filter((text) => !/ 8\.8\.4\.[12] /.test(text))).toEqual([])
})

test('a peer that is not behind a relay makes this node create nothing', async () => {
  const [, b] = await datagramEnds({ relayed: { isRelayed: false } })
  const body = Buffer.from(signals.encode({ description: '', candidates: [] }))
  await expect(b.path.handle({ from: 'a', body, signal })).rejects.toThrow('no relayed link')
  expect(b.connections).toEqual([])
})

/** Signals of an end, changed by a hostile peer. */
const changed = (change: (told: { description: string; candidates: string[] }) => object) => (bytes: Uint8Array) =>
  encode(change(signals.decode(bytes)))

test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
  ['no CBOR', () => Buffer.from('garbage')],
  ['no description', changed(() => ({ description: '', candidates: [] }))],
  ['a description that is too long', changed(({ candidates }) => ({ description: 'x'.repeat(4_097), candidates }))],
  ['too many addresses', changed((told) => ({ ...told, candidates: Array.from({ length: 17 }, () => 'candidate') }))],
  ['an address that is too long', changed((told) => ({ ...told, candidates: ['x'.repeat(257)] }))],
  ['a field of another protocol', changed((told) => ({ ...told, more: 1 }))],
])('signals with %s end the attempt', async (_, hostile) => {
  const [a, b] = await datagramEnds({ signals: hostile })
  a.path.step()
  await expect.poll(() => a.connections.length, patience).toBe(1)
  await Promise.all(a.connections.map(({ ended }) => ended))
  await Promise.all(b.connections.map(({ ended }) => ended))
  expect([...a.tried, ...b.tried]).toEqual([])
})

test('packets go only to public addresses that a peer names, twelve at most', async () => {
  const own = ['10.0.0.1', '127.0.0.1', '169.254.169.254', '192.168.1.7', 'fd00::1', 'elsewhere.example']
  const many = Array.from({ length: 10 }, (_, number) => `9.9.9.${number}`)
  const candidates = [...own, ...many].map((ip) => `candidate:1 1 UDP 1 ${ip} 53 typ host`)
  const [a, b] = await datagramEnds({ signals: changed(({ description }) => ({ description, candidates })) })
  a.path.step()
  await expect.poll(() => b.tried.length, patience).toBeGreaterThan(0)
  for (const { tried } of [a, b]) expect(tried.filter((at) => !at.startsWith('9.9.9.'))).toEqual([])
})

test('a peer that begins again and again waits for a minute', async () => {
  const [, b] = await datagramEnds({ signals: () => Buffer.alloc(0) })
  const attempt = () => b.path.handle({ from: 'a', body: Buffer.from(signals.encode({ description: '', candidates: [] })), signal })
  for (let times = 0; times < 5; times++) await expect(attempt()).rejects.toThrow('no valid mid')
  await expect(attempt()).rejects.toThrow('maximum')
  expect(b.reached.counts.webrtc).toBe(1)
  expect(b.connections).toHaveLength(5)
  b.now += 60_000
  await expect(attempt()).rejects.toThrow('no valid mid')
})

/** Has an end begin what is due, and waits for its end. Returns the number of attempts so far. */
async function attemptsOf(end: DatagramEnd): Promise<number> {
  end.path.step()
  await Promise.all(end.connections.map(({ ended }) => ended))
  await new Promise((resolve) => setImmediate(resolve))
  return end.connections.length
}

test('after a failure an attempt follows after five seconds, then after twice as long', async () => {
  const [a] = await datagramEnds({ signals: () => Buffer.alloc(0) })
  a.path.step()
  await expect.poll(() => attemptsOf(a), patience).toBe(1)
  a.now += 4_999
  expect(await attemptsOf(a)).toBe(1)
  a.now += 1
  a.path.step()
  await expect.poll(() => attemptsOf(a), patience).toBe(2)
  a.now += 9_999
  expect(await attemptsOf(a)).toBe(2)
})

test('over a relayed link that is new an attempt follows at once, and the pauses begin anew: a router or a relay has changed', async () => {
  const [a] = await datagramEnds({ signals: () => Buffer.alloc(0) })
  for (const attempts of [1, 2, 3]) {
    a.path.step()
    await expect.poll(() => attemptsOf(a), patience).toBe(attempts)
    a.now += 10_000
  }
  expect(await attemptsOf(a)).toBe(3)
  a.renew()
  a.path.step()
  await expect.poll(() => attemptsOf(a), patience).toBe(4)
  a.now += 5_000
  a.path.step()
  await expect.poll(() => attemptsOf(a), patience).toBe(5)
})

test('addresses that do not answer get three times as many bytes as the peer that has named them has sent', async () => {
  const others = await Promise.all(
    Array.from({ length: 12 }, async (_, number) => ({
      name: `9.9.9.${number}`,
      ip: `127.0.0.${number + 2}`,
      ...(await silentPort(`127.0.0.${number + 2}`)),
    })),
  )
  const candidates = others.map(({ name, port }) => `candidate:1 1 UDP 1 ${name} ${port} typ host`)
  let sent = 0
  const [a, b] = await datagramEnds({
    limits: { dialTimeoutMs: 2_000 },
    others: new Map(others.map(({ name, ip }) => [name, ip])),
    signals(bytes) {
      const hostile = changed(({ description }) => ({ description, candidates }))(bytes)
      sent = hostile.length
      return hostile
    },
    receivedBytes: () => sent,
  })
  a.path.step()
  await expect.poll(() => [a.outcomes, b.outcomes], patience).toEqual([['failed'], ['failed']])
  const heard = others.flatMap((each) => each.heard)
  expect(heard.length).toBeGreaterThan(0)
  // Both ends have been told the addresses.
  expect(heard.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(2 * 3 * sent)
  for (const length of heard) expect(length).toBeLessThanOrEqual(128)
})

/** A UDP port of a host that answers nothing, and the lengths of the packets that come to it. */
async function silentPort(ip: string): Promise<{ port: number; heard: number[] }> {
  const heard: number[] = []
  const socket = createSocket('udp4', ({ length }) => void heard.push(length))
  await once(socket.bind(0, ip), 'listening')
  onTestFinished(() => void socket.close())
  return { port: socket.address().port, heard }
}
