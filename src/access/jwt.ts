import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose'
import { z } from 'zod'
import { InvalidToken, TokenCheckUnavailable } from '../errors.ts'
import { issueText } from '../lib/issue-text.ts'
import { createTokenBucket } from '../lib/token-bucket.ts'
import { actionSchema } from '../model/action.ts'
import type { Grant } from '../model/grant.ts'
import { nameSchema } from '../model/text.ts'
import { everyTopic, topicFilter, topicPatternSchema } from '../model/topic.ts'
import { fetchKeys } from './fetch-keys.ts'

/** Settings for JSON Web Tokens (RFC 7519) of an identity provider. */
export interface JwtSettings {
  /** URL of the provider's key set (RFC 7517). */
  jwksUrl: string | undefined
  /** Alternatively a key shared with the provider, for HS256. */
  secret: string | undefined
  issuer: string | undefined
  /** The required audience. Without it, a token for any other service of the provider would be accepted. */
  audience: string | undefined
}

export type JwtVerifier = (token: string) => Promise<Grant>

/** Rate limit of fetches of the keys for tokens with an unknown key. */
const keyReloads = { burst: 5, perSecond: 0.5 }

class KeysNotReloaded extends Error {
  override readonly name = 'KeysNotReloaded'
}

/** Seconds by which the provider's clock may differ. */
const clockTolerance = 30
const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/**
 * Rights are in the claim `peergate`, or in `scope` (RFC 8693 §4.2) as `peergate:<action>` for all topics. Unknown
 * members of `peergate` could narrow the rights, so they make the token invalid.
 */
const claimSchema = z.strictObject({
  actions: z.array(z.string().max(100)).max(100),
  topics: z.array(topicPatternSchema).max(1_000).default([everyTopic]),
})
const payloadSchema = z.object({
  /** Appears in the audit log and in the scope of idempotency keys. */
  sub: nameSchema(255).min(1),
  /** Seconds since 1970, within the range of a Date. */
  exp: z.number().max(8_640_000_000_000),
  scope: z.string().default(''),
  peergate: claimSchema.optional(),
})

/** @throws InvalidToken, TokenCheckUnavailable when the provider's keys cannot be fetched */
export function createJwtVerifier(settings: JwtSettings, components: { now?: () => number } = {}): JwtVerifier | undefined {
  const { now = Date.now } = components
  const { jwksUrl, secret, issuer, audience } = settings
  if (jwksUrl === undefined && secret === undefined) return undefined
  const options = {
    clockTolerance,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  }
  const keys = jwksUrl === undefined ? undefined : createRemoteJWKSet(new URL(jwksUrl), { [customFetch]: fetchKeys })
  const reloads = createTokenBucket(keyReloads)
  const shared = secret === undefined ? undefined : new TextEncoder().encode(secret)

  async function verify(token: string): Promise<JWTPayload> {
    // The token cannot choose the kind of key: a shared key never verifies a token that a published key should.
    if (keys !== undefined) return await verifyPublished(token, keys)
    return (await jwtVerify(token, shared ?? new Uint8Array(), { ...options, currentDate: new Date(now()), algorithms: ['HS256'] })).payload
  }

  /** Fetches the keys again for an unknown key id, which may be new, within the rate limit. */
  async function verifyPublished(token: string, published: ReturnType<typeof createRemoteJWKSet>): Promise<JWTPayload> {
    const check = async () =>
      (await jwtVerify(token, published, { ...options, currentDate: new Date(now()), algorithms: asymmetric })).payload
    try {
      return await check()
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      if (!reloads.take(performance.now())) throw new KeysNotReloaded('the keys were fetched too often', { cause: error })
      await published.reload()
      return await check()
    }
  }

  return async (token) => {
    try {
      return grantOf(await verify(token))
    } catch (cause) {
      const isTokens = cause instanceof errors.JOSEError && !unavailable.some((kind) => cause instanceof kind)
      if (isTokens) throw new InvalidToken(`The token is not valid: ${cause.message}.`, { cause })
      if (cause instanceof InvalidToken) throw cause
      throw new TokenCheckUnavailable('The keys of the identity provider cannot be fetched now.', { cause, retryAfterMs: 5_000 })
    }
  }
}

const unavailable = [errors.JWKSTimeout, errors.JWKSInvalid]

/** @throws InvalidToken for a claim that is not valid, rather than falling back to the rights of another claim */
function grantOf(payload: JWTPayload): Grant {
  const parsed = payloadSchema.safeParse(payload, { error: issueText })
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0] ?? { path: [], message: 'is not valid' }
    throw new InvalidToken(`The token is not valid: its claim ${path.join('.')} is not valid (${message}).`)
  }
  const { sub, exp, scope, peergate } = parsed.data
  const scopes = scope.split(' ').flatMap((each) => (each.startsWith('peergate:') ? each.slice('peergate:'.length) : []))
  const { actions, topics } = peergate ?? { actions: scopes, topics: [everyTopic] }
  // Actions of newer versions are ignored.
  const known = actions.flatMap((action) => actionSchema.safeParse(action).data ?? [])
  return { id: `sub:${sub}`, actions: new Set(known), topics: topicFilter(topics), expiresAt: exp * 1_000 }
}
