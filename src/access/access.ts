import type { Logger } from 'pino'
import { InvalidToken, Unauthorized } from '../errors.ts'
import { ownCommand } from '../lib/own-command.ts'
import { StartupError } from '../lib/startup-error.ts'
import { fullGrant, type Grant } from '../model/grant.ts'
import { anyoneId } from './client-key.ts'
import type { JwtVerifier } from './jwt.ts'
import type { Sessions } from './sessions.ts'
import type { Tokens } from './tokens.ts'

/**
 * Authentication of clients: looks up what a token or a session allows. Does not own limits (rates.ts,
 * client-shares.ts).
 */
export interface Access {
  /** @throws AccessOpen when other machines can reach the gateway and no token is required */
  start(): Promise<void>
  /**
   * Returns what a token allows. Without a token, everything is allowed as long as no tokens exist.
   * @throws Unauthorized, InvalidToken, TokenCheckUnavailable, StoreUnavailable
   */
  admit(token: string | undefined): Promise<Grant>
  /** Returns what a session allows, by the secret in its cookie. @throws InvalidToken, StoreUnavailable */
  admitSession(secret: string): Promise<Grant>
}

export interface AccessInit {
  /** The address that HTTP listens on. */
  host: string
  /** Whether requests without a token are allowed everything, whatever address HTTP listens on. */
  insecure: boolean
}

/** Other machines can reach the gateway and no token is required. */
export class AccessOpen extends StartupError {
  override readonly name = 'AccessOpen'
}

/** A JSON Web Token in its compact form (RFC 7515 §7.1). */
const jwtShape = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Milliseconds between two checks for tokens, while none exist. */
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
  /** Once any token exists, anonymous access stays off. */
  let isClosed = verifyJwt !== undefined
  let lookedAt = Number.NEGATIVE_INFINITY

  /** Also notices a token that another process has created. */
  async function needsToken(): Promise<boolean> {
    if (!isClosed && performance.now() - lookedAt > lookMs) {
      lookedAt = performance.now()
      isClosed = await tokens.exist()
    }
    return isClosed
  }

  return {
    async start() {
      if (init.insecure) logger.warn('PEERGATE_INSECURE is set: any client that reaches this gateway may do everything')
      if ((await needsToken()) || init.insecure || isLoopback(init.host)) return
      throw new AccessOpen(
        `PEERGATE_HTTP_HOST is "${init.host}", which other machines can reach, and there are no access tokens. Set PEERGATE_ADMIN_TOKEN (or PEERGATE_ADMIN_TOKEN_FILE), create a token with "${ownCommand('token create')}", listen on 127.0.0.1, or, to allow everything without a token, set PEERGATE_INSECURE=true.`,
      )
    },
    async admit(token) {
      if (token === undefined) {
        if (init.insecure) return anyone
        if (!(await needsToken())) return anyone
        throw new Unauthorized('A token is required. Send it as "Authorization: Bearer <token>".')
      }
      // Checked first, since the operator's token may have any shape.
      const operator = tokens.operatorGrant(token)
      if (operator !== undefined) return operator
      if (verifyJwt !== undefined && jwtShape.test(token)) return await verifyJwt(token)
      const grant = await tokens.grantOf(token)
      if (grant !== undefined) return grant
      throw new InvalidToken('The token is unknown, has expired or was revoked.')
    },
    async admitSession(secret) {
      const grant = await sessions.grantOf(secret)
      if (grant !== undefined) return grant
      throw new InvalidToken('The session of the cookie is unknown, has expired or was ended.')
    },
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
