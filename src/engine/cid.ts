import type { MultibaseDecoder } from 'multiformats'
import { bases } from 'multiformats/basics'
import { CID } from 'multiformats/cid'
import { InvalidCid } from '../errors.ts'

const decoders = new Map<string, MultibaseDecoder<string>>(Object.values(bases).map(({ decoder }) => [decoder.prefix, decoder]))

/**
 * A CID tells its base by its first character. Without a decoder, `CID.parse` knows three of the bases. The decoders that
 * the library combines do not find the base of emoji, whose prefix has two UTF-16 units.
 */
const anyBase: MultibaseDecoder<string> = {
  decode(text) {
    const decoder = decoders.get(String.fromCodePoint(text.codePointAt(0) ?? 0))
    if (decoder === undefined) throw new RangeError('no base has this prefix')
    return decoder.decode(text)
  },
}

/** Reads a CID of any version, in any base of multibase. @throws InvalidCid */
export function parseCid(text: string): CID {
  try {
    return CID.parse(text, anyBase)
  } catch (cause) {
    throw new InvalidCid(`"${text}" is not a CID.`, { cause })
  }
}
