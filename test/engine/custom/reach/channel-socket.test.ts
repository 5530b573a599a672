import { describe, expect, test } from 'vitest'
import { createChannelSocket } from '../../../../src/engine/custom/reach/channel-socket.ts'
import { circuitWindow } from '../../../../src/engine/custom/reach/circuit-ends.ts'
import type { MessageChannel } from '../../../../src/engine/webrtc/channel-connection.ts'

/** The end of a channel that the socket uses, and the messages that it has sent. */
function fakeChannel() {
  const sent: Uint8Array[] = []
  const told: { message(message: string | Buffer | ArrayBuffer): void; closed(): void } = {
    message: () => undefined,
    closed: () => undefined,
  }
  let isClosed = false
  const channel: MessageChannel = {
    send(message) {
      if (isClosed) throw new Error('the connection is not open')
      sent.push(message)
    },
    onMessage: (listener) => void Object.assign(told, { message: listener }),
    close() {
      isClosed = true
    },
    onClosed: (listener) => void Object.assign(told, { closed: listener }),
  }
  const socket = createChannelSocket(channel)
  const records: Buffer[] = []
  return {
    socket,
    sent,
    records,
    read() {
      socket.on('message', (record) => records.push(record))
      socket.resume()
    },
    get isClosed() {
      return isClosed
    },
    say: (type: number, body: Uint8Array = Buffer.alloc(0)) => told.message(Buffer.concat([Buffer.of(type), body])),
    told,
    closed: new Promise<void>((resolve) => socket.once('close', resolve)),
  }
}

const number = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a record goes in pieces of at most 16 KiB, and arrives whole', async () => {
  const from = fakeChannel()
  const to = fakeChannel()
  to.read()
  for (const size of [16, 16_383, 16_384, 65_535]) from.socket.send(Buffer.alloc(size, size), { binary: true })
  expect(Math.max(...from.sent.map(({ length }) => length))).toBe(16_384)
  for (const message of from.sent) to.told.message(Buffer.from(message))
  await turn()
  expect(to.records.map((record) => record.equals(Buffer.alloc(record.length, record.length)) && record.length)).toEqual([
    ...[16, 16_383, 16_384, 65_535],
  ])
})

test('no more is sent than the other end has given credit for', async () => {
  const { socket, sent, say } = fakeChannel()
  for (let count = 0; count < 40; count++) socket.send(Buffer.alloc(10_000), { binary: true })
  const bytes = () => sent.reduce((sum, { length }) => sum + length - 1, 0)
  expect(bytes()).toBe(260_000)
  expect(socket.bufferedAmount).toBe(140_000)
  say(2, number(131_072))
  expect(bytes()).toBe(390_000)
})

test('credit is given when half of the window has been read', async () => {
  const { read, say, sent, socket } = fakeChannel()
  read()
  socket.pause()
  for (let count = 0; count < 16; count++) say(0, Buffer.alloc(10_000))
  await turn()
  expect(sent).toEqual([])
  socket.resume()
  await turn()
  expect(sent).toEqual([Buffer.concat([Buffer.of(2), number(140_000)])])
})

test('records that came before the end are read, also when they are told after it', async () => {
  const { read, say, told, records, closed } = fakeChannel()
  read()
  told.closed()
  say(0, Buffer.alloc(20, 1))
  await new Promise((resolve) => queueMicrotask(() => resolve(undefined)))
  say(0, Buffer.alloc(20, 2))
  say(3)
  say(0, Buffer.alloc(20, 3))
  await closed
  expect(records.map(([first]) => first)).toEqual([1, 2])
})

test('an end that closes says so, and tells its own user', async () => {
  const { socket, sent, closed, isClosed } = fakeChannel()
  expect(isClosed).toBe(false)
  socket.close()
  await closed
  expect(sent).toEqual([Buffer.of(3)])
})

describe('a peer has its channel closed that sends', () => {
  type Fake = ReturnType<typeof fakeChannel>
  const cases: Array<[string, (peer: Fake) => void]> = [
    [
      'more than its credit allows',
      ({ say }) => {
        for (let bytes = 0; bytes <= circuitWindow; bytes += 16_000) say(0, Buffer.alloc(16_000))
      },
    ],
    [
      'a record that is too long',
      ({ say }) => {
        for (let count = 0; count < 5; count++) say(1, Buffer.alloc(16_383))
      },
    ],
    ['a short piece that is not the last', ({ say }) => say(1, Buffer.alloc(1))],
    ['a piece that is too long', ({ say }) => say(0, Buffer.alloc(16_384))],
    ['a record shorter than a tag', ({ say }) => say(0, Buffer.alloc(15))],
    ['an empty record', ({ say }) => say(0)],
    ['credit for what was not sent', ({ say }) => say(2, number(131_072))],
    [
      'credit in small amounts',
      ({ say, socket }) => {
        for (let count = 0; count < 20; count++) socket.send(Buffer.alloc(10_000), { binary: true })
        say(2, number(131_071))
      },
    ],
    ['credit of another length', ({ say }) => say(2, Buffer.alloc(3))],
    ['a text', ({ told }) => told.message('text')],
    ['an empty message', ({ told }) => told.message(Buffer.alloc(0))],
    ['a message of an unknown type', ({ say }) => say(4)],
  ]
  test.each(cases)('%s', async (_, attack) => {
    const peer = fakeChannel()
    attack(peer)
    await peer.closed
    expect(peer.isClosed).toBe(true)
  })
})
