import { setImmediate as nextTurn } from 'node:timers/promises'
import { streamPair } from '@libp2p/utils'
import { expect, test } from 'vitest'
import { type ChannelMessage, holdMessages } from '../../../../src/engine/libp2p/webrtc/held-messages.ts'
import { createShares } from '../../../../src/lib/shares.ts'

const perMessage = 512

/** A stream that gets the messages of a channel as @libp2p/webrtc has it: some microtasks later. */
async function setUp(maxBytes = 100_000_000) {
  const [, stream] = await streamPair()
  const heard: string[] = []
  const room = createShares({ max: maxBytes, maxPerHolder: maxBytes })
  let full = 0
  const channel = {
    onmessage: ({ data }: ChannelMessage) => {
      if (!(data instanceof ArrayBuffer)) throw new Error('no bytes')
      void Promise.resolve().then(() => Object(stream).onData(new Uint8Array(data)))
    },
    onclose: () => void heard.push('closed'),
  }
  holdMessages(stream, channel, { room: { take: (bytes) => room.take('peer', bytes) }, onFull: () => full++ })
  stream.addEventListener('message', ({ data }) => heard.push(Buffer.from(data.subarray()).toString().trim()))
  const send = (text: string) => channel.onmessage({ data: new Uint8Array(Buffer.from(text)).buffer })
  return { stream, channel, room, heard, send, full: () => full }
}

test('messages of a paused stream wait, and follow in their order when it is resumed', async () => {
  const { stream, room, heard, send } = await setUp()
  send('0')
  await nextTurn()
  stream.pause()
  for (let number = 1; number < 1_000; number++) send(`${number}`.padEnd(2_000))
  await nextTurn()
  expect(stream.readBufferLength).toBe(0)
  expect(room.total).toBe(999 * (2_000 + perMessage))
  stream.resume()
  send('1000')
  await expect.poll(() => heard.length).toBe(1_001)
  expect(heard).toEqual(Array.from({ length: 1_001 }, (_, number) => `${number}`))
  expect(room.total).toBe(0)
})

test('a reader that pauses at each message is given little more meanwhile', async () => {
  const { stream, heard, send } = await setUp()
  stream.pause()
  for (let number = 0; number < 100; number++) send(`${number}`.padEnd(20_000))
  stream.addEventListener('message', () => stream.pause())
  for (let times = 0; stream.readStatus === 'paused' && times < 1_000 && heard.join(' ').split(/\s+/).length < 100; times++) {
    expect(stream.readBufferLength).toBeLessThanOrEqual(65_536 + 20_000)
    stream.resume()
    for (let turns = 0; turns < 3; turns++) await nextTurn()
  }
  expect(heard.join(' ').split(/\s+/)).toEqual(Array.from({ length: 100 }, (_, number) => `${number}`))
})

test('the end of a channel is told after the messages before it', async () => {
  const { stream, channel, heard, send } = await setUp()
  stream.pause()
  send('one')
  send('two')
  channel.onclose()
  await nextTurn()
  expect(heard).toEqual([])
  stream.resume()
  await expect.poll(() => heard.at(-1)).toBe('closed')
  expect(heard.slice(0, -1).join('')).toBe('onetwo')
})

test('without waiting messages the end of a channel is told at once, also to a paused stream', async () => {
  const { stream, channel, heard } = await setUp()
  stream.pause()
  channel.onclose()
  expect(heard).toEqual(['closed'])
})

test('a stream is aborted when there is no room for what waits, counted with the memory of each message', async () => {
  const { stream, room, send, full } = await setUp(10 * (1 + perMessage))
  stream.pause()
  for (let number = 0; number < 10; number++) send('x')
  expect([stream.status, full()]).toEqual(['open', 0])
  send('x')
  expect([stream.status, full()]).toEqual(['aborted', 1])
  expect(room.total).toBe(0)
})

test('the end of a stream frees the memory of what waited', async () => {
  const { stream, room, send } = await setUp()
  stream.pause()
  send('one')
  expect(room.total).toBe(3 + perMessage)
  stream.abort(new Error('the test'))
  expect(room.total).toBe(0)
})
