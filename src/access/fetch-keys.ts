import type { FetchImplementation } from 'jose'
import { answerPieceBytes } from '../lib/bound-answer.ts'

/**
 * Bytes of a key set, each piece of it counted with `answerPieceBytes`: a thousand keys of 4096 bits with their
 * certificates take less.
 */
const maxKeySetBytes = 1_048_576

/** The provider's answer is not a key set, or is too large. */
export class KeysNotFetched extends Error {
  override readonly name = 'KeysNotFetched'
}

/**
 * Fetches the keys of an identity provider (RFC 7517) with a limit on the decompressed size, since an endless answer
 * would fill the memory. The caller's signal limits the time.
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
  const text = Buffer.concat(chunks).toString()
  try {
    JSON.parse(text)
  } catch (cause) {
    throw new KeysNotFetched('the answer of the key provider is not JSON', { cause })
  }
  return new Response(text)
}
