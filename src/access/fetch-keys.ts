import type { FetchImplementation } from 'jose'
import { z } from 'zod'
import { answerPieceBytes } from '../lib/bound-answer.ts'
import { jsonShape } from '../lib/json-shape.ts'

/**
 * Bytes of a key set, each piece of it counted with `answerPieceBytes`: a thousand keys of 4096 bits with their
 * certificates take less.
 */
const maxKeySetBytes = 1_048_576
/** Each token is compared with all keys. */
const maxKeys = 1_000

const base64url = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .regex(/^[\w-]+$/)
const shared = {
  kid: z.string().max(1_024).optional(),
  use: z.string().max(100).optional(),
  alg: z.string().max(100).optional(),
  key_ops: z.array(z.string().max(100)).max(10).optional(),
}
/**
 * What is taken of a key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). A signature of an RSA key takes a thread time that grows
 * with the square of its modulus and with its exponent: at most 8,192 and 32 bits.
 */
const keySchema = z.discriminatedUnion('kty', [
  z.object({ ...shared, kty: z.literal('RSA'), n: base64url(1_366), e: base64url(6) }),
  z.object({ ...shared, kty: z.literal('EC'), crv: z.string().max(100), x: base64url(88), y: base64url(88) }),
  z.object({ ...shared, kty: z.literal('OKP'), crv: z.string().max(100), x: base64url(88) }),
])
const keySetSchema = z.object({ keys: z.array(z.unknown()).max(maxKeys) })

/** The provider's answer is not a key set, or is too large. */
export class KeysNotFetched extends Error {
  override readonly name = 'KeysNotFetched'
}

/**
 * Fetches the keys of an identity provider (RFC 7517) with a limit on the decompressed size, since an endless answer
 * would fill the memory. Certificates and keys that are not used here, too large ones among them, are left out. The
 * caller's signal limits the time.
 * @throws KeysNotFetched, the signal's reason, or the error of the connection
 */
export const fetchKeys: FetchImplementation = async (url, options) => {
  const answer = await fetch(url, options)
  if (answer.status !== 200) {
    await answer.body?.cancel()
    throw new KeysNotFetched(`the key provider answered with status ${answer.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length + answerPieceBytes
    // Leaving the loop cancels the rest.
    if (bytes > maxKeySetBytes) throw new KeysNotFetched(`the key provider answered with more than ${maxKeySetBytes} bytes`)
    chunks.push(chunk)
  }
  const keys = keysOf(Buffer.concat(chunks).toString())
  return Response.json({ keys: keys.flatMap((key) => keySchema.safeParse(key).data ?? []) })
}

/** @throws KeysNotFetched */
function keysOf(text: string): unknown[] {
  if (jsonShape(text).isTooDeep) throw new KeysNotFetched('the answer of the key provider nests too deeply')
  try {
    return keySetSchema.parse(JSON.parse(text)).keys
  } catch (cause) {
    throw new KeysNotFetched(`the answer of the key provider is not a key set of at most ${maxKeys} keys`, { cause })
  }
}
