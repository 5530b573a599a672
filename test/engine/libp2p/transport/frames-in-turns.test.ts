import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { expect, test } from 'vitest'
import { muxerInTurns } from '../../../../src/engine/libp2p/transport/frames-in-turns.ts'
import { holdUnread } from '../../../../src/engine/libp2p/transport/hold-unread.ts'
import { createLoopTurns } from '../../../../src/lib/loop-turns.ts'
import { yamuxFlags, yamuxFrames, yamuxTypes } from '../../../fixtures/yamux-frames.ts'

/** A muxer whose peer writes frames as they are. Each frame takes a millisecond, and a turn has ten. */
function muxed() {
  const [peer, connection] = multiaddrConnectionPair()
  let now = 0
  const later: Array<() => void> = []
  const turns = createLoopTurns({ turnMs: 10, sliceMs: 10 }, { now: () => now, afterOthers: (task) => later.push(task) })
  const streams: Stream[] = []
  const create: () => StreamMuxer = () => yamux({ enableKeepAlive: false })().createStreamMuxer(connection)
  const muxer = muxerInTurns(connection, create, { turns })
  muxer.addEventListener('stream', ({ detail }) => streams.push(detail))
  const handleFrame: (frame: unknown) => void = Reflect.get(muxer, 'handleFrame')
  let handled = 0
  Reflect.set(muxer, 'handleFrame', (frame: unknown) => {
    now++
    handled++
    handleFrame.call(muxer, frame)
  })
  const readStatus = (): unknown => Reflect.get(connection, 'readStatus')
  return { peer, connection, readStatus, muxer, streams, handled: () => handled, nextTurn: () => later.shift()?.() }
}

const opening = yamuxFrames(1, { type: yamuxTypes.windowUpdate, flag: yamuxFlags.syn, streamOf: () => 1 })
const bytes = (count: number) => yamuxFrames(count, { type: yamuxTypes.data, length: 1, streamOf: () => 1 })

test('frames that have arrived together are handled some in each turn, and the connection is not read meanwhile', async () => {
  const { peer, readStatus, handled, nextTurn } = muxed()
  peer.send(Buffer.concat([opening, bytes(99)]))
  await expect.poll(handled).toBe(10)
  expect(readStatus()).toBe('paused')
  for (let turn = 2; turn <= 10; turn++) {
    nextTurn()
    expect(handled()).toBe(turn * 10)
  }
  nextTurn()
  expect(readStatus()).toBe('readable')
  peer.send(bytes(1))
  await expect.poll(handled).toBe(101)
})

test('a connection that has more when it is read again is held back again, and so is its socket', async () => {
  const { peer, connection, readStatus, handled, nextTurn } = muxed()
  const told: string[] = []
  Reflect.set(connection, 'sendPause', () => told.push('paused'))
  Reflect.set(connection, 'sendResume', () => told.push('readable'))
  peer.send(Buffer.concat([opening, bytes(19)]))
  await expect.poll(handled).toBe(10)
  peer.send(bytes(99))
  await expect.poll(() => connection.readBufferLength).toBeGreaterThan(0)
  for (let turn = 2; turn <= 5; turn++) {
    nextTurn()
    expect(told.at(-1)).toBe(readStatus())
  }
  expect(readStatus()).toBe('paused')
})

test('frames that wait when their connection ends are handled before the muxer ends', async () => {
  const { peer, muxer, streams, handled } = muxed()
  peer.send(Buffer.concat([opening, bytes(99)]))
  await expect.poll(handled).toBe(10)
  await peer.close()
  await expect.poll(() => muxer.status).toBe('closed')
  expect(handled()).toBe(100)
  expect(streams[0]?.readBufferLength).toBe(99)
})

test('what a stream holds unread takes few pieces of memory, however few bytes each frame has', async () => {
  const { peer, streams, nextTurn } = muxed()
  peer.send(opening)
  await expect.poll(() => streams.length).toBe(1)
  const [stream] = streams
  if (stream === undefined) return expect.unreachable()
  holdUnread(stream)
  const count = 5_000
  peer.send(bytes(count))
  await expect
    .poll(() => {
      for (let turn = 0; turn < 1_000; turn++) nextTurn()
      return stream.readBufferLength
    })
    .toBe(count)
  expect(Reflect.get(Reflect.get(stream, 'readBuffer'), 'bufs').length).toBeLessThan(300)
})
