import { encode } from 'cborg'
import { expect, test } from 'vitest'
import type { Message } from '../../clients/typescript/src/index.ts'
import { type Form, shown } from '../../console/decode.ts'

const notJson = 'This is not JSON.'
const notCbor = 'This is not CBOR.'
const cbor = encode({ price: 3, large: 2n ** 60n })
/** Keys in the order of the encoder. */
const pretty = JSON.stringify({ large: String(2n ** 60n), price: 3 }, null, 2)

function text(data: string): Message {
  return message(data, 'utf8')
}

function binary(bytes: Uint8Array): Message {
  return message(Buffer.from(bytes).toString('base64'), 'base64')
}

function message(data: unknown, encoding: string): Message {
  return { id: '', cursor: '', kind: 'topic', from: '', sequence: '', receivedAt: '', signature: '', data, encoding }
}

test.each<[string, Message, Record<Form, string>]>([
  [
    'JSON text',
    text('{"price":3}'),
    { auto: '{\n  "price": 3\n}', text: '{"price":3}', JSON: '{\n  "price": 3\n}', CBOR: notCbor, hex: '7b 22 70 72 69 63 65 22 3a 33 7d' },
  ],
  ['a JSON value', message([1], 'json'), { auto: '[\n  1\n]', text: '[1]', JSON: '[\n  1\n]', CBOR: notCbor, hex: '5b 31 5d' }],
  ['other text', text('é!'), { auto: 'é!', text: 'é!', JSON: notJson, CBOR: notCbor, hex: 'c3 a9 21' }],
  ['CBOR', binary(cbor), { auto: pretty, text: new TextDecoder().decode(cbor), JSON: notJson, CBOR: pretty, hex: hex(cbor) }],
  ['other bytes', binary(Uint8Array.of(0xff, 0)), { auto: 'ff 00', text: '\u{fffd}\0', JSON: notJson, CBOR: notCbor, hex: 'ff 00' }],
  ['nothing', text(''), { auto: '', text: '', JSON: notJson, CBOR: notCbor, hex: '' }],
])('shows %s in each form', (_, given, expected) => {
  const forms = Object.keys(expected) as Form[]
  expect(Object.fromEntries(forms.map((form) => [form, shown(given, form)]))).toEqual(expected)
})

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
