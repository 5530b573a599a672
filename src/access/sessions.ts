import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Ages, agesOf } from '../clock/ages.ts'
import { SessionLimit } from '../errors.ts'
import { createWatchers } from '../lib/watchers.ts'
import { actionSchema } from '../model/action.ts'
import { fullGrant, type Grant } from '../model/grant.ts'
import type { SessionBasis, SessionRecord, SessionStore } from '../store/session-store.ts'
import { operatorId, type Tokens } from './tokens.ts'

/**
 * Sessions of browsers. A cookie holds the secret of a session, never a token: a session can be ended alone, ends by itself, and ends with
 * the token that it was opened with. They lie in the database, so that each of its gateways knows them.
 */
export interface Sessions {
  /**
   * Opens a session with what a token allows; of one token the oldest ends when there are too many.
   * @throws SessionLimit, StoreUnavailable
   */
  open(token: string, grant: Grant): Promise<OpenSession>
  /** What the session allows; undefined when it is not known, or not any more. */
  grantOf(secret: string): Promise<Grant | undefined>
  /** Ends it, and its streams, at every gateway of the database. */
  close(secret: string): Promise<void>
  /** Which of these sessions are not there any more. */
  missing(ids: Iterable<string>): Promise<string[]>
  /** Tells that a session has ended: what it has at this gateway ends before `close` returns. Answers what ends the watch. */
  watchEnds(watcher: (id: string) => void): () => void
}

export interface OpenSession {
  secret: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

export interface SessionsInit {
  limits: { sessionMs: number; maxSessions: number; maxSessionsPerToken: number }
  /** Whether JSON Web Tokens are accepted: sessions that were opened with one count only then. */
  acceptsSubjects: boolean
}

export interface SessionsComponents {
  store: SessionStore
  tokens: Pick<Tokens, 'grantOfHash' | 'operatorProof'>
  /** Sessions last by age time, which their tokens and cookies have as wall time. */
  clock?: Ages
}

const secretBytes = 32
/** 32 bytes in base64url; anything else is not looked up. */
const secretShape = /^[\w-]{43}$/
/** Milliseconds after which a client that met too many sessions may try again. */
const retryAfterMs = 60_000

export function createSessions(init: SessionsInit, components: SessionsComponents): Sessions {
  const { sessionMs, maxSessions, maxSessionsPerToken } = init.limits
  const { store, tokens, clock = agesOf() } = components
  const ends = createWatchers<[id: string]>()

  function basisOf(token: string, grant: Grant, secret: string): SessionBasis {
    if (grant.id === operatorId) return { kind: 'operator', proof: tokens.operatorProof(Buffer.from(secret))?.toString('hex') ?? '' }
    if (grant.id.startsWith('tok_')) return { kind: 'token', hash: hashOf(token).toString('hex') }
    return { kind: 'subject', actions: [...grant.actions], topics: grant.topics }
  }

  let lastCreatedAt = 0

  /** What the session's token allows now. */
  async function grantBehind({ holder, basis, expiresAt }: SessionRecord, secret: string): Promise<Grant | undefined> {
    switch (basis.kind) {
      case 'token':
        return await tokens.grantOfHash(Buffer.from(basis.hash, 'hex'))
      case 'operator':
        // Operators' tokens can be guessable, so that their hashes are for no database.
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
      // Rises with each, so that of one millisecond too it is the oldest that makes room.
      const createdAt = Math.max(clock.age(), lastCreatedAt + 1)
      lastCreatedAt = createdAt
      const ofToken = grant.expiresAt === undefined ? Number.POSITIVE_INFINITY : clock.toAge(grant.expiresAt)
      const expiresAt = Math.min(clock.age() + sessionMs, ofToken)
      const record = { id: idOf(secret), holder: grant.id, basis: basisOf(token, grant, secret), createdAt, expiresAt }
      const added = await store.add(record, { max: maxSessions, maxOfHolder: maxSessionsPerToken })
      if (!added) throw new SessionLimit(`There are ${maxSessions} sessions at a time.`, { retryAfterMs })
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
      if (secretShape.test(secret) && (await store.remove(idOf(secret)))) void ends.tell(idOf(secret))
    },
    missing: (ids) => store.missing([...ids]),
    watchEnds: ends.watch,
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** Under which the store keeps a session. */
function idOf(secret: string): string {
  return hashOf(secret).toString('hex')
}

function isSame(one: Buffer | undefined, other: Buffer): boolean {
  return one !== undefined && one.length === other.length && timingSafeEqual(one, other)
}
