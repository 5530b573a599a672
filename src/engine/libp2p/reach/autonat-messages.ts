/**
 * The messages of AutoNAT v2, in protobuf (https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md). Only what
 * this node needs of them is read.
 */
export const dialRequestProtocol = '/libp2p/autonat/2/dial-request'
export const dialBackProtocol = '/libp2p/autonat/2/dial-back'

/** Maximum bytes of a message: a request with its addresses, or a piece of dial data. */
export const maxMessageBytes = 8_192

export const responseStatus = { internalError: 0, rejected: 100, dialRefused: 101, ok: 200 } as const
export const dialStatus = { unused: 0, dialError: 100, dialBackError: 101, ok: 200 } as const

export type Message =
  | { type: 'dialRequest'; addresses: Uint8Array[]; nonce: bigint }
  | { type: 'dialResponse'; status: number; index: number; dialStatus: number }
  | { type: 'dialDataRequest'; index: number; bytes: number }
  | { type: 'dialData'; data: Uint8Array }

/** https://protobuf.dev/programming-guides/encoding/#structure */
const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2 } as const
/** The fields of `Message`, of which one is set. */
const fields = { dialRequest: 1, dialResponse: 2, dialDataRequest: 3, dialData: 4 } as const

export function encodeMessage(message: Message): Buffer {
  return bytesField(fields[message.type], encodeContent(message))
}

function encodeContent(message: Message): Buffer {
  switch (message.type) {
    case 'dialRequest':
      return Buffer.concat([...message.addresses.map((address) => bytesField(1, address)), fixedField(2, message.nonce)])
    case 'dialResponse':
      return Buffer.concat([numberField(1, message.status), numberField(2, message.index), numberField(3, message.dialStatus)])
    case 'dialDataRequest':
      return Buffer.concat([numberField(1, message.index), numberField(2, message.bytes)])
    case 'dialData':
      return bytesField(1, message.data)
    default:
      return message satisfies never
  }
}

/** @throws Error when the bytes are not a message of AutoNAT v2 */
export function decodeMessage(bytes: Uint8Array): Message {
  for (const { number, value } of readFields(bytes)) {
    if (!(value instanceof Uint8Array)) continue
    const content = readFields(value)
    const numberOf = (field: number) => Number(content.findLast((each) => each.number === field)?.value ?? 0)
    const bytesOf = (field: number) =>
      content.flatMap((each) => (each.number === field && each.value instanceof Uint8Array ? [each.value] : []))
    switch (number) {
      case fields.dialRequest:
        return { type: 'dialRequest', addresses: bytesOf(1), nonce: fixedIn(content, 2) }
      case fields.dialResponse:
        return { type: 'dialResponse', status: numberOf(1), index: numberOf(2), dialStatus: numberOf(3) }
      case fields.dialDataRequest:
        return { type: 'dialDataRequest', index: numberOf(1), bytes: numberOf(2) }
      case fields.dialData:
        return { type: 'dialData', data: bytesOf(1).at(-1) ?? new Uint8Array() }
    }
  }
  throw new Error('not a message of AutoNAT')
}

/** What the dialling end says on the connection that it has opened. */
export function encodeDialBack(nonce: bigint): Buffer {
  return fixedField(1, nonce)
}

/** @throws Error */
export function decodeDialBack(bytes: Uint8Array): bigint {
  return fixedIn(readFields(bytes), 1)
}

/** The answer to it, `OK`: the default value, which protobuf leaves out. */
export const dialBackResponse = new Uint8Array()

interface Field {
  number: number
  value: bigint | Uint8Array
}

/** @throws Error on anything but fields of the three types in use */
function readFields(bytes: Uint8Array): Field[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: Field[] = []
  let at = 0

  function varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = view.readUInt8(at++)
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
    throw new Error('a varint is too long')
  }

  function value(wireType: number): Field['value'] {
    switch (wireType) {
      case wireTypes.varint:
        return varint()
      case wireTypes.fixed64:
        at += 8
        return view.readBigUInt64LE(at - 8)
      case wireTypes.lengthDelimited: {
        const length = Number(varint())
        if (length > view.length - at) throw new Error('a field is longer than its message')
        at += length
        return view.subarray(at - length, at)
      }
      default:
        throw new Error(`wire type ${wireType} is not used by AutoNAT`)
    }
  }

  while (at < view.length) {
    const tag = Number(varint())
    found.push({ number: Math.floor(tag / 8), value: value(tag % 8) })
  }
  return found
}

function fixedIn(found: Field[], number: number): bigint {
  const value = found.findLast((each) => each.number === number)?.value ?? 0n
  if (typeof value !== 'bigint') throw new Error('a number is missing')
  return value
}

function bytesField(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varintOf(number * 8 + wireTypes.lengthDelimited), varintOf(bytes.length), bytes])
}

/** Protobuf leaves the default value out. */
function numberField(number: number, value: number): Buffer {
  if (value === 0) return Buffer.alloc(0)
  return Buffer.concat([varintOf(number * 8 + wireTypes.varint), varintOf(value)])
}

function fixedField(number: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(9)
  bytes.writeUInt8(number * 8 + wireTypes.fixed64)
  bytes.writeBigUInt64LE(value, 1)
  return bytes
}

function varintOf(value: number): Buffer {
  return value < 128 ? Buffer.of(value) : Buffer.concat([Buffer.of((value % 128) + 128), varintOf(Math.floor(value / 128))])
}
