import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import { z } from 'zod'
import { InvalidToken, TokenCheckUnavailable } from '../errors.ts'
import { actionSchema } from '../model/action.ts'
import type { Grant } from '../model/grant.ts'
import { topicFilter } from '../model/topic.ts'

/** JSON Web Tokens (RFC 7519) of an identity provider, for those who bring their own. */
export interface JwtSettings {
  /** Where the provider publishes its keys (RFC 7517). */
  jwksUrl: string | undefined
  /** Or a key that is shared with it, for HS256. */
  secret: string | undefined
  issuer: string | undefined
  /** Whom the tokens must be for: without it a token for any other service of the provider would do. */
  audience: string | undefined
}

export type JwtVerifier = (token: string) => Promise<Grant>

/** Seconds by which clocks may differ. */
const clockTolerance = 30
const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** Rights are in the claim `peergate`, or, as actions on every topic, in `scope` (RFC 8693 §4.2) as `peergate:<action>`. */
const claimSchema = z.object({ actions: z.array(z.string()), topics: z.array(z.string()).default(['*']) })

/** @throws InvalidToken, TokenCheckUnavailable when the provider's keys can't be had */
export function createJwtVerifier(settings: JwtSettings): JwtVerifier | undefined {
  const { jwksUrl, secret, issuer, audience } = settings
  if (jwksUrl === undefined && secret === undefined) return undefined
  const options = {
    clockTolerance,
    requiredClaims: ['sub', 'exp'],
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  }
  const keys = jwksUrl === undefined ? undefined : createRemoteJWKSet(new URL(jwksUrl))
  const shared = secret === undefined ? undefined : new TextEncoder().encode(secret)

  async function verify(token: string): Promise<JWTPayload> {
    // Which of the two is asked is no choice of the token's: a shared key never checks what a published one should.
    if (keys !== undefined) return (await jwtVerify(token, keys, { ...options, algorithms: asymmetric })).payload
    return (await jwtVerify(token, shared ?? new Uint8Array(), { ...options, algorithms: ['HS256'] })).payload
  }

  return async (token) => {
    try {
      return grantOf(await verify(token))
    } catch (cause) {
      const isTokens = cause instanceof errors.JOSEError && !unavailable.some((kind) => cause instanceof kind)
      if (isTokens) throw new InvalidToken(`The token is not valid: ${cause.message}.`, { cause })
      if (cause instanceof InvalidToken) throw cause
      throw new TokenCheckUnavailable('The keys of the identity provider can not be had at the moment.', { cause, retryAfterMs: 5_000 })
    }
  }
}

const unavailable = [errors.JWKSTimeout, errors.JWKSInvalid]

function grantOf(payload: JWTPayload): Grant {
  const { sub = '', exp = 0, scope, peergate } = payload
  const claim = claimSchema.safeParse(peergate)
  const scopes = typeof scope === 'string' ? scope.split(' ').flatMap((each) => (each.startsWith('peergate:') ? each.slice(9) : [])) : []
  const { actions, topics } = claim.success ? claim.data : { actions: scopes, topics: ['*'] }
  const known = actions.flatMap((action) => actionSchema.safeParse(action).data ?? [])
  return { id: `sub:${sub}`, actions: new Set(known), topics: topicFilter(topics), expiresAt: exp * 1_000 }
}
