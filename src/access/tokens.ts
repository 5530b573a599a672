import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { InvalidRequest, TokenNotFound } from '../errors.ts'
import { actionSchema } from '../model/action.ts'
import { fullGrant, type Grant } from '../model/grant.ts'
import type { TokenInput, TokenView } from '../model/token.ts'
import { topicFilter } from '../model/topic.ts'
import type { Store, TokenRecord } from '../store/store.ts'

/** The access tokens of this gateway's database, and the operator's own of the environment. */
export interface Tokens {
  /** Makes a token; its secret is known to nobody afterwards. @throws InvalidRequest when it would have expired already */
  create(input: TokenInput): Promise<{ token: TokenView; secret: string }>
  list(): Promise<TokenView[]>
  /** From now on it is refused, at every gateway of the database. @throws TokenNotFound */
  revoke(id: string): Promise<void>
  /** What the secret allows; undefined when it is not known, or not any more. */
  grantOf(secret: string): Promise<Grant | undefined>
  /** Which of these grants' tokens are not there any more. */
  missing(ids: Iterable<string>): Promise<Set<string>>
  /** Whether there is any. */
  exist(): Promise<boolean>
  start(): Promise<void>
  stop(): Promise<void>
}

export interface TokensComponents {
  store: Pick<Store, 'tokens' | 'listen'>
  /** Tokens may have been revoked. */
  onChange(): void
  now?: () => number
}

/** Secrets begin with it, so that scanners of source code know them. */
const secretPrefix = 'peergate_'
const secretBytes = 32
const idLetters = 'abcdefghijkmnpqrstuvwxyz23456789'
const idLength = 16
/** Grants that are remembered; another secret costs a look into the database. */
const maxCached = 10_000
/** The grant of the operator's own token. */
export const operatorId = 'operator'

export function createTokens(init: { adminToken: string | undefined }, components: TokensComponents): Tokens {
  const { store, onChange, now = Date.now } = components
  const operator = init.adminToken === undefined ? undefined : hashOf(init.adminToken)
  /** By the hash of the secret, in hex. */
  const cache = new Map<string, Grant>()
  let unlisten: (() => void) | undefined

  return {
    async create({ name, actions, topics, expiresAt }) {
      const expires = expiresAt === undefined ? undefined : Date.parse(expiresAt)
      if (expires !== undefined && expires <= now()) {
        throw new InvalidRequest('The token would have expired already.', { errors: [{ path: 'expiresAt', message: 'is in the past' }] })
      }
      const secret = secretPrefix + randomBytes(secretBytes).toString('base64url')
      const id = `tok_${Array.from(randomBytes(idLength), (byte) => idLetters[byte % idLetters.length]).join('')}`
      const record: TokenRecord = { id, name, hash: hashOf(secret), actions, topics, createdAt: now(), expiresAt: expires }
      await store.tokens.add(record)
      return { token: viewOf(record), secret }
    },
    list: async () => (await store.tokens.list()).map(viewOf),
    async revoke(id) {
      const removed = await store.tokens.remove(id)
      cache.clear()
      onChange()
      if (!removed) throw new TokenNotFound('There is no token with this id.')
    },
    async grantOf(secret) {
      const hash = hashOf(secret)
      if (operator !== undefined && timingSafeEqual(operator, hash)) return fullGrant(operatorId)
      const key = hash.toString('hex')
      let grant = cache.get(key)
      if (grant === undefined) {
        const record = await store.tokens.find(hash)
        if (record === undefined) return undefined
        grant = grantFrom(record)
        if (cache.size >= maxCached) cache.clear()
        cache.set(key, grant)
      }
      return grant.expiresAt !== undefined && grant.expiresAt <= now() ? undefined : grant
    },
    async missing(ids) {
      const there = new Set((await store.tokens.list()).map(({ id }) => id))
      return new Set([...ids].filter((id) => id.startsWith('tok_') && !there.has(id)))
    },
    exist: async () => operator !== undefined || (await store.tokens.list()).length > 0,
    async start() {
      unlisten = store.listen(({ kind }) => {
        if (kind !== 'tokens' && kind !== 'everything') return
        cache.clear()
        onChange()
      })
    },
    async stop() {
      unlisten?.()
    },
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function grantFrom({ id, actions, topics, expiresAt }: TokenRecord): Grant {
  // An action that a newer version knows is none here.
  const known = actions.flatMap((action) => actionSchema.safeParse(action).data ?? [])
  return { id, actions: new Set(known), topics: topicFilter(topics), expiresAt }
}

function viewOf({ id, name, actions, topics, createdAt, expiresAt }: TokenRecord): TokenView {
  const expires = expiresAt === undefined ? null : new Date(expiresAt).toISOString()
  return { id, name, actions, topics, createdAt: new Date(createdAt).toISOString(), expiresAt: expires }
}
