import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { answerBinding } from '../../../src/engine/stun/stun-message.ts'
import { startStunServer } from '../../../src/engine/stun/stun-server.ts'
import { stunRequest } from '../../fixtures/stun-request.ts'

/** The request of RFC 5769 section 2.1 without its attributes, and with them cut. */
const id = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex')
const request = Buffer.concat([Buffer.from('000100002112a442', 'hex'), id])

test('an answer has the address as the test vectors of RFC 5769 have it', () => {
  expect(answerBinding(request, { ip: '192.0.2.1', port: 32_853 })?.toString('hex')).toBe(
    `0101000c2112a442${id.toString('hex')}002000080001a147e112a643`,
  )
  const six = answerBinding(request, { ip: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 })
  expect(six?.subarray(20).toString('hex')).toBe('002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9')
})

test('whatever arrives, the answer is less than three times as long', () => {
  const packets = fc.oneof(
    fc.uint8Array({ maxLength: 1_500 }),
    fc.uint8Array({ maxLength: 600 }).map((rest) => {
      const packet = Buffer.concat([request, rest])
      packet.writeUInt16BE(rest.length, 2)
      return packet
    }),
  )
  fc.assert(
    fc.property(packets, fc.constantFrom('192.0.2.1', '2001:db8::1'), (packet, ip) => {
      expect(answerBinding(packet, { ip, port: 9 })?.length ?? 0).toBeLessThan(Math.max(1, 3 * packet.length))
    }),
  )
})

test.for<[string, Buffer]>([
  ['an answer', Buffer.concat([Buffer.from('01010000', 'hex'), request.subarray(4)])],
  ['a request without the magic cookie', Buffer.concat([Buffer.from('0001000000000000', 'hex'), id])],
  ['a request with a wrong length', Buffer.concat([request, Buffer.alloc(4)])],
  ['half a header', request.subarray(0, 10)],
])('%s gets no answer', ([, packet]) => {
  expect(answerBinding(packet, { ip: '192.0.2.1', port: 9 })).toBeUndefined()
})

async function client(ip = '127.0.0.1'): Promise<{ socket: Socket; answers: Buffer[] }> {
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  await once(socket.bind(0, ip), 'listening')
  const answers: Buffer[] = []
  socket.on('message', (answer) => void answers.push(answer))
  return { socket, answers }
}

async function send(socket: Socket, packet: Uint8Array, port: number): Promise<void> {
  await new Promise((resolve) => socket.send(packet, port, '127.0.0.1', resolve))
}

test('a server answers with the port that it sees, goes on after garbage, and answers an address only so often', async () => {
  const rates = { ofOne: { perSecond: 1, burst: 5 }, ofAll: { perSecond: 100, burst: 100 } }
  await using server = await startStunServer({ port: 0, rates }, { now: () => 0 })
  const { socket, answers } = await client()
  const garbage = fc.sample(fc.uint8Array({ maxLength: 1_500 }), { numRuns: 200, seed: 1 })
  for (const packet of garbage) await send(socket, packet, server.port)
  await send(socket, stunRequest, server.port)
  await expect.poll(() => answers.length).toBe(1)
  expect((answers[0]?.readUInt16BE(26) ?? 0) ^ 0x2112).toBe(socket.address().port)
  for (let times = 0; times < 20; times++) await send(socket, stunRequest, server.port)
  await expect.poll(() => answers.length).toBe(5)
  // When the server has answered another address, it has read all of them.
  const other = await client('127.0.0.2')
  await send(other.socket, stunRequest, server.port)
  await expect.poll(() => other.answers.length).toBe(1)
  expect(answers).toHaveLength(5)
})

test.for<[string, Buffer, number]>([
  ['the shortest requests', request, 20],
  ['usual requests', stunRequest, 32],
])('an address gets no more bytes than have come from it: %s', async ([, packet, count]) => {
  const rates = { ofOne: { perSecond: 1_000, burst: 1_000 }, ofAll: { perSecond: 1_000, burst: 1_000 } }
  await using server = await startStunServer({ port: 0, rates }, { now: () => 0 })
  const { socket, answers } = await client()
  for (let times = 0; times < 32; times++) await send(socket, packet, server.port)
  await expect.poll(() => answers.length).toBe(count)
  const other = await client('127.0.0.2')
  await send(other.socket, stunRequest, server.port)
  await expect.poll(() => other.answers.length).toBe(1)
  expect(answers).toHaveLength(count)
  expect(Buffer.concat(answers).length).toBeLessThanOrEqual(32 * packet.length)
})

test('all addresses together have a budget', async () => {
  const rates = { ofOne: { perSecond: 100, burst: 100 }, ofAll: { perSecond: 1, burst: 3 } }
  await using server = await startStunServer({ port: 0, rates }, { now: () => 0 })
  const { socket, answers } = await client()
  for (let times = 0; times < 20; times++) await send(socket, stunRequest, server.port)
  await expect.poll(() => answers.length).toBe(3)
})

test('a port that is taken is an error', async () => {
  await using server = await startStunServer({ port: 0 })
  await expect(startStunServer({ port: server.port })).rejects.toThrow('EADDRINUSE')
})
