import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Ages, agesOf } from '../clock/ages.ts'
import { SessionLimit } from '../errors.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Limits } from '../limits.ts'
import { actionSchema } from '../model/action.ts'
import { fullGrant, type Grant } from '../model/grant.ts'
import type { SessionBasis, SessionRecord, SessionStore } from '../store/session-store.ts'
import { isTokenId, operatorId, type Tokens } from './tokens.ts'

/**
 * Sessions of browsers. A cookie holds the secret of a session, never a token. A session expires, can be ended by
 * itself, and ends with the token that it was opened with. Sessions are stored in the database, so that all its
 * gateways know them.
 */
export interface Sessions {
  /**
   * Opens a session with the rights of a token. If the token has too many, its oldest session ends.
   * @throws SessionLimit, StoreUnavailable
   */
  open(token: string, grant: Grant): Promise<OpenSession>
  /** What the session allows; undefined when it is unknown or has ended. */
  grantOf(secret: string): Promise<Grant | undefined>
  /** Ends the session and its streams at every gateway of the database. */
  close(secret: string): Promise<void>
  /** The ids, of those given, whose sessions no longer exist. */
  missing(ids: Iterable<string>): Promise<string[]>
  /**
   * Calls the watcher for each session that `close` ends, before `close` returns. Returns a function that ends the
   * watch.
   */
  watchEnds(watcher: (id: string) => void): () => void
}

export interface OpenSession {
  secret: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

export interface SessionsInit {
  limits: Pick<Limits, 'sessionMs' | 'maxSessions' | 'maxSessionsPerToken'>
  /** Whether JSON Web Tokens are accepted. Otherwise sessions that were opened with one are refused. */
  acceptsSubjects: boolean
}

export interface SessionsComponents {
  store: SessionStore
  tokens: Pick<Tokens, 'grantOfHash' | 'operatorProof'>
  /** Sessions expire by age time. Tokens and cookies have wall time. */
  clock?: Ages
}

const secretBytes = 32
/** 32 bytes in base64url. Other strings are not looked up. */
const secretShape = /^[\w-]{43}$/
/** Milliseconds after which a client may retry when too many sessions are open. */
const retryAfterMs = 60_000

export function createSessions(init: SessionsInit, components: SessionsComponents): Sessions {
  const { sessionMs, maxSessions, maxSessionsPerToken } = init.limits
  const { store, tokens, clock = agesOf() } = components
  const ends = createWatchers<[id: string]>()

  function basisOf(token: string, grant: Grant, secret: string): SessionBasis {
    if (grant.id === operatorId) return { kind: 'operator', proof: tokens.operatorProof(Buffer.from(secret))?.toString('hex') ?? '' }
    if (isTokenId(grant.id)) return { kind: 'token', hash: hashOf(token).toString('hex') }
    return { kind: 'subject', actions: [...grant.actions], topics: grant.topics }
  }

  let lastCreatedAt = 0

  /** What the token of the session allows now. */
  async function grantBehind({ holder, basis, expiresAt }: SessionRecord, secret: string): Promise<Grant | undefined> {
    switch (basis.kind) {
      case 'token':
        return await tokens.grantOfHash(Buffer.from(basis.hash, 'hex'))
      case 'operator':
        // An operator's token may be guessable, so its hash is not stored.
        return isSame(tokens.operatorProof(Buffer.from(secret)), Buffer.from(basis.proof, 'hex')) ? fullGrant(operatorId) : undefined
      case 'subject': {
        if (!init.acceptsSubjects) return undefined
        const actions = basis.actions.flatMap((action) => actionSchema.safeParse(action).data ?? [])
        return { id: holder, actions: new Set(actions), topics: basis.topics, expiresAt: clock.toWall(expiresAt) }
      }
    }
  }

  return {
    async open(token, grant) {
      const secret = randomBytes(secretBytes).toString('base64url')
      // Strictly rising, so that the oldest session is well defined within a millisecond too.
      const createdAt = Math.max(clock.age(), lastCreatedAt + 1)
      lastCreatedAt = createdAt
      const ofToken = grant.expiresAt === undefined ? Number.POSITIVE_INFINITY : clock.toAge(grant.expiresAt)
      const expiresAt = Math.min(clock.age() + sessionMs, ofToken)
      const record = { id: idOf(secret), holder: grant.id, basis: basisOf(token, grant, secret), createdAt, expiresAt }
      const added = await store.add(record, { max: maxSessions, maxOfHolder: maxSessionsPerToken })
      if (!added) throw new SessionLimit(`The limit of ${maxSessions} open sessions is reached.`, { retryAfterMs })
      return { secret, expiresAt: clock.toWall(expiresAt) }
    },
    async grantOf(secret) {
      if (!secretShape.test(secret)) return undefined
      const record = await store.find(idOf(secret))
      if (record === undefined || record.expiresAt <= clock.settledAge()) return undefined
      const grant = await grantBehind(record, secret)
      if (grant === undefined) return undefined
      const expiresAt = Math.min(clock.toWall(record.expiresAt), grant.expiresAt ?? Number.POSITIVE_INFINITY)
      return { ...grant, expiresAt, session: record.id, tokenExpiresAt: grant.expiresAt }
    },
    async close(secret) {
      if (secretShape.test(secret) && (await store.remove(idOf(secret)))) ends.tell(idOf(secret))
    },
    missing: (ids) => store.missing([...ids]),
    watchEnds: ends.watch,
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** The id of a session in the store. */
function idOf(secret: string): string {
  return hashOf(secret).toString('hex')
}

function isSame(one: Buffer | undefined, other: Buffer): boolean {
  return one !== undefined && one.length === other.length && timingSafeEqual(one, other)
}
