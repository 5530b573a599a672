import { createHmac, type KeyObject, randomBytes, sign } from 'node:crypto'

/**
 * Signatures of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
 * `v1` is HMAC-SHA256 with a secret that the receiver has, `v1a` Ed25519 with the key of the gateway.
 */

const secretPrefix = 'whsec_'
/** The specification asks for 24 to 64. */
const secretBytes = 32

export function newSecret(): string {
  return secretPrefix + randomBytes(secretBytes).toString('base64')
}

export interface SignedRequest {
  id: string
  /** Seconds since 1970. */
  timestamp: number
  body: string
}

/** The header fields of a request, with a signature by each secret and by the key. */
export function signedHeaders(
  { id, timestamp, body }: SignedRequest,
  keys: { secrets: string[]; signingKey: KeyObject | undefined },
): Record<string, string> {
  const content = Buffer.from(`${id}.${timestamp}.${body}`)
  const signatures = keys.secrets.map((secret) => {
    const key = Buffer.from(secret.slice(secretPrefix.length), 'base64')
    return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
  })
  if (keys.signingKey !== undefined) signatures.push(`v1a,${sign(null, content, keys.signingKey).toString('base64')}`)
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') }
}

/** @param raw the 32 bytes of an Ed25519 public key */
export function publicKeyText(raw: Uint8Array): string {
  return `whpk_${Buffer.from(raw).toString('base64')}`
}
