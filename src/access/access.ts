import type { Logger } from 'pino'
import { InvalidToken, Unauthorized } from '../errors.ts'
import { StartupError } from '../lib/startup-error.ts'
import { fullGrant, type Grant } from '../model/grant.ts'
import { anyoneId } from './client-key.ts'
import type { JwtVerifier } from './jwt.ts'
import type { Sessions } from './sessions.ts'
import type { Tokens } from './tokens.ts'

/** Who may come in, and what they may do. */
export interface Access {
  /** @throws AccessOpen when others could reach the gateway and nothing keeps them out */
  start(): Promise<void>
  /**
   * What the bearer of a token may do; without one, everything while there are no tokens.
   * @throws Unauthorized, InvalidToken, TokenCheckUnavailable, StoreUnavailable
   */
  admit(token: string | undefined): Promise<Grant>
  /** What a session allows, by what its cookie holds. @throws InvalidToken, StoreUnavailable */
  admitSession(secret: string): Promise<Grant>
}

export interface AccessInit {
  /** Where HTTP listens. */
  host: string
  /** Whether everybody may do everything wherever HTTP listens. */
  insecure: boolean
}

/** Others could reach the gateway, and nothing would keep them out. */
export class AccessOpen extends StartupError {
  override readonly name = 'AccessOpen'
}

/** A JSON Web Token in its compact form (RFC 7515 §7.1). */
const jwtShape = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Milliseconds between two looks whether there are tokens, while there are none. */
const lookMs = 1_000
const anyone = fullGrant(anyoneId)

export function createAccess(
  init: AccessInit,
  components: {
    tokens: Pick<Tokens, 'grantOf' | 'operatorGrant' | 'exist'>
    sessions: Pick<Sessions, 'grantOf'>
    verifyJwt: JwtVerifier | undefined
    logger: Logger
  },
): Access {
  const { tokens, sessions, verifyJwt, logger } = components
  /** Once there has been a token, none is no way in. */
  let isClosed = verifyJwt !== undefined
  let lookedAt = Number.NEGATIVE_INFINITY

  /** Also notices a token that was made by another process. */
  async function needsToken(): Promise<boolean> {
    if (!isClosed && performance.now() - lookedAt > lookMs) {
      lookedAt = performance.now()
      isClosed = await tokens.exist()
    }
    return isClosed
  }

  return {
    async start() {
      if (init.insecure) logger.warn('PEERGATE_INSECURE is set: whoever reaches this gateway may do everything')
      if ((await needsToken()) || init.insecure || isLoopback(init.host)) return
      throw new AccessOpen(
        `PEERGATE_HTTP_HOST is "${init.host}", which others can reach, and there are no access tokens. Set PEERGATE_ADMIN_TOKEN (or PEERGATE_ADMIN_TOKEN_FILE), make a token with "npm run token -- create", listen on 127.0.0.1, or, to let everybody do everything, set PEERGATE_INSECURE=true.`,
      )
    },
    async admit(token) {
      if (token === undefined) {
        if (init.insecure) return anyone
        if (!(await needsToken())) return anyone
        throw new Unauthorized('A token is needed: send it as "Authorization: Bearer <token>".')
      }
      // Whatever its shape.
      const operator = tokens.operatorGrant(token)
      if (operator !== undefined) return operator
      if (verifyJwt !== undefined && jwtShape.test(token)) return await verifyJwt(token)
      const grant = await tokens.grantOf(token)
      if (grant !== undefined) return grant
      throw new InvalidToken('The token is not known here, has expired, or was revoked.')
    },
    async admitSession(secret) {
      const grant = await sessions.grantOf(secret)
      if (grant !== undefined) return grant
      throw new InvalidToken('The session of the cookie is not known here, has expired, or was ended.')
    },
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
