/** Data to send: text, bytes, or a JSON value. */
export type Data = string | Uint8Array | { json: unknown }

/** Data as the gateway sends it. */
export interface Payload {
  /** A string: text, or bytes in base64; with the encoding `json` a JSON value. */
  data: unknown
  /** `utf8`, `base64` or `json`. */
  encoding: string
}

/** Bytes for one call of `String.fromCharCode`, which takes a bounded number of arguments. */
const chunkBytes = 8_192

/** The fields of a frame or a body. */
export function payloadOf(data: Data): Payload {
  if (typeof data === 'string') return { data, encoding: 'utf8' }
  if (data instanceof Uint8Array) return { data: base64(data), encoding: 'base64' }
  return { data: data.json, encoding: 'json' }
}

/** The bytes of received data. */
export function bytesOf({ data, encoding }: Payload): Uint8Array {
  if (encoding === 'json') return new TextEncoder().encode(JSON.stringify(data))
  if (typeof data !== 'string') throw new TypeError(`data of the encoding ${encoding} is not a string`)
  if (encoding === 'base64') return Uint8Array.from(atob(data), (character) => character.charCodeAt(0))
  return new TextEncoder().encode(data)
}

function base64(bytes: Uint8Array): string {
  let binary = ''
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    binary += String.fromCharCode(...bytes.subarray(start, start + chunkBytes))
  }
  return btoa(binary)
}

/** The subprotocol that carries a token: its UTF-8 bytes in unpadded base64url. */
export function bearerSubprotocol(token: string): string {
  const encoded = base64(new TextEncoder().encode(token))
  return `peergate.bearer.${encoded.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`
}
