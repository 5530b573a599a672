/** The wire types that the small messages of this engine use (https://protobuf.dev/programming-guides/encoding/#structure). */
const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2 } as const

/** A field of a message in Protocol Buffers. */
export interface Field {
  number: number
  value: bigint | Uint8Array
}

/** @throws Error on anything but fields of the three types in use */
export function readFields(bytes: Uint8Array): Field[] {
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
        throw new Error(`wire type ${wireType} is not supported`)
    }
  }

  while (at < view.length) {
    const tag = Number(varint())
    found.push({ number: Math.floor(tag / 8), value: value(tag % 8) })
  }
  return found
}

/** The last number of a field; 0, the default value, when there is none. @throws Error when the field has bytes */
export function numberIn(found: Field[], number: number): bigint {
  const value = found.findLast((each) => each.number === number)?.value ?? 0n
  if (typeof value !== 'bigint') throw new Error('a number is missing')
  return value
}

/** The contents of all fields with a number that have bytes. */
export function bytesIn(found: Field[], number: number): Uint8Array[] {
  return found.flatMap((each) => (each.number === number && each.value instanceof Uint8Array ? [each.value] : []))
}

export function bytesField(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varintOf(number * 8 + wireTypes.lengthDelimited), varintOf(bytes.length), bytes])
}

/** A message behind its length. */
export function sized(message: Uint8Array): Buffer {
  return Buffer.concat([varintOf(message.length), message])
}

/** Protobuf leaves the default value out. */
export function numberField(number: number, value: number): Buffer {
  if (value === 0) return Buffer.alloc(0)
  return Buffer.concat([varintOf(number * 8 + wireTypes.varint), varintOf(value)])
}

/** Of 64 bits. */
export function fixedField(number: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(9)
  bytes.writeUInt8(number * 8 + wireTypes.fixed64)
  bytes.writeBigUInt64LE(value, 1)
  return bytes
}

function varintOf(value: number): Buffer {
  return value < 128 ? Buffer.of(value) : Buffer.concat([Buffer.of((value % 128) + 128), varintOf(Math.floor(value / 128))])
}
