import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import {
  decodeDialBack,
  decodeMessage,
  encodeDialBack,
  encodeMessage,
  type Message,
} from '../../../../src/engine/libp2p/reach/autonat-messages.ts'

const address = multiaddr('/ip4/192.0.2.1/tcp/7071').bytes

/** As `@libp2p/autonat-v2` encodes them. */
test.each<[Message, string]>([
  [{ type: 'dialRequest', addresses: [address], nonce: 0x0102030405060708n }, '0a130a0804c0000201061b9f110807060504030201'],
  [{ type: 'dialResponse', status: 200, index: 1, dialStatus: 101 }, '120708c80110011865'],
  [{ type: 'dialDataRequest', index: 0, bytes: 30_000 }, '1a0410b0ea01'],
  [{ type: 'dialData', data: Uint8Array.of(1, 2, 3) }, '22050a03010203'],
])('%o', (message, bytes) => {
  expect(encodeMessage(message).toString('hex')).toBe(bytes)
  const decoded = decodeMessage(Buffer.from(bytes, 'hex'))
  expect(decoded.type).toBe(message.type)
  expect(encodeMessage(decoded).toString('hex')).toBe(bytes)
})

test('fields that are left out have their default', () => {
  expect(decodeMessage(Buffer.from('1200', 'hex'))).toEqual({ type: 'dialResponse', status: 0, index: 0, dialStatus: 0 })
})

test('a dial-back has its number in eight bytes, little endian', () => {
  expect(encodeDialBack(1n).toString('hex')).toBe('090100000000000000')
  expect(decodeDialBack(Buffer.from('09ffffffffffffffff', 'hex'))).toBe(2n ** 64n - 1n)
})

test.each(['', '0a', '0aff', '0d01020304', '0aff7f00', `08${'80'.repeat(10)}`, '08'])('%s is no message', (bytes) => {
  expect(() => decodeMessage(Buffer.from(bytes, 'hex'))).toThrow()
})
