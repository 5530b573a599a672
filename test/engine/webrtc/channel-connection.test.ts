import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { PeerConnection } from 'node-datachannel'
import { expect, onTestFinished, test, vi } from 'vitest'
import { answerBinding } from '../../../src/engine/stun/stun-message.ts'
import type { StunAddress } from '../../../src/engine/stun/stun-service.ts'
import { type ChannelConnection, createChannelConnection } from '../../../src/engine/webrtc/channel-connection.ts'
import { loadNativeConnections } from '../../../src/engine/webrtc/native-connections.ts'

const create = await loadNativeConnections()
const signal = AbortSignal.timeout(60_000)

function end(stunServers: StunAddress[] = []): { native: PeerConnection; connection: ChannelConnection } {
  const native = create(stunServers)
  const connection = createChannelConnection(native)
  onTestFinished(() => native.close())
  return { native, connection }
}

async function pair() {
  const [a, b] = [end(), end()]
  const offer = await a.connection.describe(signal)
  b.connection.accept('offer', offer.description)
  const answer = await b.connection.describe(signal)
  a.connection.accept('answer', answer.description)
  for (const candidate of answer.candidates) a.connection.tryAt(candidate)
  for (const candidate of offer.candidates) b.connection.tryAt(candidate)
  await Promise.all([a, b].map(({ connection }) => connection.opened(signal)))
  return { a, b }
}

test('messages arrive whole and in order, also those that were sent just before the end', async () => {
  const { a, b } = await pair()
  const lengths: number[] = []
  b.connection.onMessage((message) => lengths.push(Buffer.from(message as Buffer).length))
  for (let length = 1; length <= 16_384; length *= 2) a.connection.send(Buffer.alloc(length))
  a.connection.close()
  a.connection.close()
  await Promise.all([a.connection.ended, b.connection.ended])
  await expect.poll(() => lengths).toEqual(Array.from({ length: 15 }, (_, power) => 2 ** power))
  expect(() => a.connection.send(Buffer.alloc(1))).toThrow('not open')
})

test('an end whose process dies ends the other one', async () => {
  const { a, b } = await pair()
  let times = 0
  b.connection.onClosed(() => times++)
  a.native.close()
  await b.connection.ended
  b.connection.close()
  expect(times).toBe(1)
})

test('a peer that opens another channel is cut off', async () => {
  const { a, b } = await pair()
  a.native.createDataChannel('another')
  await b.connection.ended
})

test('a peer that sends a message beyond the maximum of both ends has it refused', async () => {
  const { a } = await pair()
  expect(() => a.connection.send(Buffer.alloc(65_537))).toThrow()
})

test('a STUN server that does not answer is waited for two seconds', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const silent = createSocket('udp4').bind(0, '127.0.0.1')
  onTestFinished(() => void silent.close())
  await once(silent, 'listening')
  const { connection } = end([{ hostname: '127.0.0.1', port: silent.address().port }])
  const described = connection.describe(new AbortController().signal)
  await vi.advanceTimersByTimeAsync(2_000)
  expect((await described).description).toContain('a=fingerprint:')
})

test.each(['127.0.0.1', '::1'])('the STUN server of a gateway at %s is asked', async (hostname) => {
  const server = createSocket(hostname === '::1' ? 'udp6' : 'udp4').bind(0, hostname)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { connection } = end([{ hostname, port: server.address().port }])
  const asked = once(server, 'message')
  const described = connection.describe(signal)
  const [packet, from] = await asked
  server.send(answerBinding(packet, { ip: from.address, port: from.port }) ?? '', from.port, from.address)
  expect((await described).description).toContain('a=fingerprint:')
})

test('an end that is given up or malformed ends what waits for it', async () => {
  const { connection } = end()
  await connection.describe(signal)
  expect(() => connection.accept('answer', 'v=0')).toThrow('no valid mid')
  const opened = connection.opened(signal)
  connection.close()
  await expect(opened).rejects.toThrow('has ended')
  await expect(connection.describe(signal)).rejects.toThrow('has ended')
  const given = new AbortController()
  const waiting = end().connection.opened(given.signal)
  given.abort(new Error('given up'))
  await expect(waiting).rejects.toThrow('given up')
})
