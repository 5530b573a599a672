import { type DecodeOptions, decode, Tokenizer } from 'cborg'

/**
 * Decodes CBOR (RFC 8949) of somebody else. What costs time and memory are the items, of which a megabyte can hold a million, so these
 * are counted as they come: keys, values, arrays and maps, each one item.
 * @throws Error when it is not valid, or has more than `maxItems` items
 */
export function decodeCbor(bytes: Uint8Array, { maxItems = defaultMaxItems, ...options }: CborOptions = {}): unknown {
  // As cborg gives them to its own tokenizer: its defaults, and bytes that are no Buffer, so that what is cut out of them is none.
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
    if (this.#left-- <= 0) throw new Error('there are too many items of CBOR')
    return super.next()
  }
}
