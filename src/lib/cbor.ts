import { type DecodeOptions, decode, Tokenizer } from 'cborg'

/**
 * Decodes untrusted CBOR (RFC 8949). Items (keys, values, arrays and maps, one each) cost time and memory, and a
 * megabyte can hold a million of them, so they are counted while decoding.
 * @throws Error when it is not valid, or has more than `maxItems` items
 */
export function decodeCbor(bytes: Uint8Array, { maxItems = defaultMaxItems, ...options }: CborOptions = {}): unknown {
  // The input that cborg gives its own tokenizer: its defaults, and a plain Uint8Array, so that slices of it are not
  // Buffers.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  const complete = { ...cborgDefaults, ...options }
  return decode(plain, { ...complete, tokenizer: new CountingTokenizer(plain, complete, maxItems) })
}

const cborgDefaults = { strict: false, allowIndefinite: true, allowUndefined: true, allowBigInt: true }

export interface CborOptions extends Omit<DecodeOptions, 'tokenizer'> {
  maxItems?: number
}

const defaultMaxItems = 1_024

class CountingTokenizer extends Tokenizer {
  #left: number

  constructor(bytes: Uint8Array, options: DecodeOptions, maxItems: number) {
    super(bytes, options)
    this.#left = maxItems
  }

  override next(): ReturnType<Tokenizer['next']> {
    if (this.#left-- <= 0) throw new Error('too many CBOR items')
    return super.next()
  }
}
