import { bytesField, bytesIn, fixedField, numberField, numberIn, readFields } from '../protobuf.ts'

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
    switch (number) {
      case fields.dialRequest:
        return { type: 'dialRequest', addresses: bytesIn(content, 1), nonce: numberIn(content, 2) }
      case fields.dialResponse:
        return { type: 'dialResponse', status: numberOf(1), index: numberOf(2), dialStatus: numberOf(3) }
      case fields.dialDataRequest:
        return { type: 'dialDataRequest', index: numberOf(1), bytes: numberOf(2) }
      case fields.dialData:
        return { type: 'dialData', data: bytesIn(content, 1).at(-1) ?? new Uint8Array() }
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
  return numberIn(readFields(bytes), 1)
}

/** The answer to it, `OK`: the default value, which protobuf leaves out. */
export const dialBackResponse = new Uint8Array()
