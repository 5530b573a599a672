import type { Stream, StreamMuxerFactory } from '@libp2p/interface'
import { multiaddrConnectionPair, streamPair } from '@libp2p/utils'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FrameRate } from '../../../../src/engine/libp2p/transport/frame-budget.ts'
import { boundChannels, createFrameLengths } from '../../../../src/engine/libp2p/webrtc/channels.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { sized } from '../../../fixtures/protobuf.ts'

test('frames up to the maximum pass, in pieces of any size', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 20 }), fc.integer({ min: 1, max: 700 }), (lengths, size) => {
      const bytes = Buffer.concat(lengths.map((length) => sized(Buffer.alloc(length, 255))))
      const check = createFrameLengths(1_000)
      for (let at = 0; at < bytes.length; at += size) check(bytes.subarray(at, at + size))
    }),
  )
})

test('a longer frame is an error at its length, as is a length without an end', () => {
  const check = createFrameLengths(1_000)
  check(sized(Buffer.alloc(1_000)))
  expect(() => check(Buffer.of(0xe9, 0x07))).toThrow('longer')
  expect(() => createFrameLengths(1_000)(Buffer.alloc(6, 128))).toThrow('longer')
})

/** A bounded muxer, one stream that its peer has opened, and the channel of that. */
async function setUp(rate?: FrameRate, others: Stream[] = []) {
  const [there, here] = await streamPair()
  const [connection] = multiaddrConnectionPair()
  const peerConnection = new EventTarget()
  const received: unknown[] = []
  const channel = { onmessage: (event: { data: unknown }) => void received.push(event.data) }
  const muxer = { streams: others, createStream: async () => here, onRemoteStream: (_stream: Stream) => undefined }
  const factory: StreamMuxerFactory = Object.assign(Object.create(null), { createStreamMuxer: () => muxer, peerConnection })
  const limits = { ...defaultLimits, maxStreamBufferBytes: 100_000, maxStreamsPerConnection: 2 }
  const reached = createLimitsReached()
  const components = { reached, room: { take: () => undefined } }
  boundChannels(factory, { limits, ...(rate === undefined ? {} : { rate }) }, components).createStreamMuxer(connection)
  muxer.onRemoteStream(Object.assign(here, { channel }))
  return { there, here, connection, peerConnection, channel, received, reached }
}

test('a stream whose reader does not keep up is aborted once its buffer is full', async () => {
  const { there, here } = await setUp()
  here.pause()
  for (let sent = 0; sent < 100_000; sent += 50_000) there.send(new Uint8Array(50_000))
  await expect.poll(() => here.readBufferLength).toBe(100_000)
  expect(here.status).toBe('open')
  there.send(new Uint8Array(1))
  await expect.poll(() => here.status).toBe('aborted')
})

test('a stream is reset when there is no room for what waits for its reader, and the limit is noted', async () => {
  const { here, channel, received, reached } = await setUp()
  channel.onmessage({ data: new ArrayBuffer(1) })
  here.pause()
  expect([here.status, reached.counts.unread_webrtc]).toEqual(['open', 0])
  channel.onmessage({ data: new ArrayBuffer(1) })
  expect(received).toHaveLength(1)
  expect([here.status, reached.counts.unread_webrtc]).toEqual(['aborted', 1])
})

test('a connection is cut when its peer sends more messages than any honest one', async () => {
  const { connection, channel, received, reached } = await setUp({ perSecond: 0.001, burst: 10, bytesPerUnit: 65_536 })
  for (let sent = 0; sent < 20; sent++) channel.onmessage({ data: new ArrayBuffer(1) })
  expect(received).toHaveLength(9)
  expect(connection.status).toBe('aborted')
  expect(reached.counts.frame_flood).toBe(1)
})

test('a connection is cut when its peer opens more channels than any honest one, also those of which no stream is made', async () => {
  const { connection, peerConnection, reached } = await setUp({ perSecond: 0.001, burst: 100, bytesPerUnit: 65_536 })
  for (let opened = 0; opened < 5; opened++) peerConnection.dispatchEvent(new Event('datachannel'))
  expect(connection.status).toBe('open')
  for (let opened = 0; opened < 5; opened++) peerConnection.dispatchEvent(new Event('datachannel'))
  expect(connection.status).toBe('aborted')
  expect(reached.counts.frame_flood).toBe(1)
})

test('a stream beyond the maximum of a connection is aborted', async () => {
  const [one, two] = await streamPair()
  expect((await setUp(undefined, [one])).here.status).toBe('open')
  expect((await setUp(undefined, [one, two])).here.status).toBe('aborted')
})
