import type { FetchImplementation } from 'jose'

/** Bytes of a set of keys: a thousand keys of 4096 bits, with their certificates, have less. */
const maxKeySetBytes = 1_048_576

/** The provider's keys can't be had: it answers something else, or too much. */
export class KeysNotFetched extends Error {
  override readonly name = 'KeysNotFetched'
}

/**
 * Fetches the keys of an identity provider (RFC 7517) within a bound of bytes, decompressed ones included; the caller's signal bounds the
 * time. Without a bound an answer that does not end takes as much memory as comes in until then.
 * @throws KeysNotFetched, the signal's reason, or the error of the connection
 */
export const fetchKeys: FetchImplementation = async (url, options) => {
  const answer = await fetch(url, options)
  if (answer.status !== 200) {
    await answer.body?.cancel()
    throw new KeysNotFetched(`the provider of keys answers with the status ${answer.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    // Leaving the loop cancels the rest.
    if (bytes > maxKeySetBytes) throw new KeysNotFetched(`the provider of keys answers with more than ${maxKeySetBytes} bytes`)
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString()
  try {
    JSON.parse(text)
  } catch (cause) {
    throw new KeysNotFetched('the provider of keys answers with no JSON', { cause })
  }
  return new Response(text)
}
