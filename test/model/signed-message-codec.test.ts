import { encode } from 'cborg'
import { expect, test } from 'vitest'
import { decodeSigned, encodeSigned } from '../../src/model/signed-message-codec.ts'
import { storedMessage } from '../fixtures/messages.ts'

const { from, sequence, topic, data } = storedMessage(1)
const message = { from, sequence, topic, data: Uint8Array.from(data), signature: new Uint8Array(64).fill(1) }

/** With bytes as text, of whatever kind of array they are. */
const fields = (given: object) =>
  Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value]),
  )

test('a message between gateways keeps all that was signed, and the key that proves it', () => {
  const whole = { ...message, data: new Uint8Array(), dataAbsent: true, publicKey: new Uint8Array(36).fill(2) }
  for (const each of [whole, message]) expect(fields(decodeSigned(encodeSigned(each)))).toEqual(fields(each))
})

test.each([
  ['a sequence of another length', { sequence: new Uint8Array(7) }],
  ['a signature longer than any', { signature: new Uint8Array(1_025) }],
  ['a key longer than any', { publicKey: new Uint8Array(1_101) }],
  ['data that is no bytes', { data: 'text' }],
  ['a topic that is none', { topic: '..' }],
  ['a field more', { more: 1 }],
])('with %s it is no message', (_, more) => {
  expect(() => decodeSigned(encode({ ...message, ...more }))).toThrow()
})
