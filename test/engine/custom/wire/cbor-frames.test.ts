import { encode } from 'cborg'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeHello, encodeHello, type Hello } from '../../../../src/engine/custom/link/hello.ts'
import { ProtocolViolation } from '../../../../src/engine/custom/wire/frame-stream.ts'
import { decodeControl, encodeControl, messageHead, parseMessageHead } from '../../../../src/engine/custom/wire/overlay-frame.ts'

const hello: Hello = {
  versions: [1],
  instance: 'a',
  agent: 'peergate/1',
  multiaddrs: ['/ip4/192.0.2.1/tcp/7071/ws'],
  protocols: [],
  observed: '192.0.2.2:4711',
}

test('a hello comes back as it was sent, without what a later version may add', () => {
  expect(decodeHello(encodeHello(hello))).toEqual(hello)
  expect(decodeHello(encode({ ...hello, later: 1 }))).toEqual(hello)
})

test.each([
  { ...hello, multiaddrs: Array.from({ length: 17 }, () => '/ip4/192.0.2.1/tcp/7071/ws') },
  { ...hello, agent: 7 },
  { ...hello, protocols: ['x'.repeat(201)] },
  { ...hello, versions: [] },
  { ...hello, instance: undefined },
  'hello',
])('a hello that is none is refused: %j', (wrong) => {
  expect(() => decodeHello(encode(wrong))).toThrow(ProtocolViolation)
})

test('words of a peer that are too long are cut, and do not cost it the link', () => {
  expect(decodeHello(encode({ ...hello, agent: 'x'.repeat(201) })).agent).toBe('x'.repeat(200))
})

test('a frame with more items of CBOR than any has is refused before they are all read', () => {
  const keys = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`k${index}`, 0]))
  expect(() => decodeHello(encode({ ...hello, ...keys }))).toThrow(ProtocolViolation)
  const ids = Array.from({ length: 5_000 }, () => 'x.1')
  expect(() => decodeControl(encode({ type: 'graft', topic: 'orders', ids }))).toThrow(ProtocolViolation)
})

test('a control frame comes back as it was sent', () => {
  for (const frame of [
    { type: 'subscriptions', add: ['orders'], remove: [] },
    { type: 'neighbor', topic: undefined, priority: 'low' },
    { type: 'prune', topic: 'orders' },
    { type: 'beacon', topic: 'orders', round: 7, rank: 2 ** 32 - 1 },
  ] as const) {
    expect(decodeControl(encodeControl({ ...frame } as never))).toEqual(JSON.parse(JSON.stringify(frame)))
  }
})

test('a message is no control frame, and unknown types and fields are refused', () => {
  const envelope = { id: 'abc', topic: 'orders', bytes: new Uint8Array(1) }
  for (const wrong of [{ type: 'message', hops: 0, envelope }, { type: 'other' }, { type: 'prune', topic: 'orders', more: 1 }]) {
    expect(() => decodeControl(encode(wrong))).toThrow(ProtocolViolation)
  }
})

test('any other bytes are refused by name', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => decodeHello(bytes)).toThrow(ProtocolViolation)
      expect(() => decodeControl(bytes)).toThrow(ProtocolViolation)
    }),
  )
})

test('the head of a message says how many links it has crossed, and whether it is a spare copy', () => {
  expect(parseMessageHead(messageHead({ hops: 0 }))).toEqual({ hops: 0 })
  expect(parseMessageHead(messageHead({ hops: 64, spare: true }))).toEqual({ hops: 64, spare: true })
  expect(parseMessageHead(Uint8Array.of(0x7f))).toEqual({ hops: 64 })
  expect(() => parseMessageHead(new Uint8Array())).toThrow(ProtocolViolation)
})
