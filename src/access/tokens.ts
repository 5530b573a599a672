import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { AdminTokenNeeded, InvalidRequest, TokenNotFound } from '../errors.ts'
import { createWatchers } from '../lib/watchers.ts'
import { actionSchema } from '../model/action.ts'
import { fullGrant, type Grant } from '../model/grant.ts'
import type { TokenInput, TokenView } from '../model/token.ts'
import { topicFilter } from '../model/topic.ts'
import type { Store } from '../store/store.ts'
import type { TokenRecord } from '../store/token-store.ts'

/** The access tokens of this gateway's database, and the operator's own of the environment. */
export interface Tokens {
  /**
   * Makes a token; its secret is known to nobody afterwards.
   * @throws InvalidRequest when it would have expired already
   * @throws AdminTokenNeeded when it is the first, and does not allow `admin` or expires
   */
  create(input: TokenInput): Promise<{ token: TokenView; secret: string }>
  list(): Promise<TokenView[]>
  /**
   * From now on it is refused, at every gateway of the database.
   * @throws TokenNotFound
   * @throws AdminTokenNeeded when it is the last that allows `admin` and does not expire
   */
  revoke(id: string): Promise<void>
  /** The grant of the operator's own token; undefined when the secret is another. */
  operatorGrant(secret: string): Grant | undefined
  /** What the secret allows; undefined when it is not known, or not any more. */
  grantOf(secret: string): Promise<Grant | undefined>
  /** The same of a token of the database, by the SHA-256 of its secret. */
  grantOfHash(hash: Buffer): Promise<Grant | undefined>
  /** A value that only the holder of this key and this gateway can derive from the operator's token; undefined without such a token. */
  operatorProof(key: Buffer): Buffer | undefined
  /** Which of these grants' tokens are not there any more. */
  missing(ids: Iterable<string>): Promise<Set<string>>
  /** Whether there is any. */
  exist(): Promise<boolean>
  /** Tells that a token was revoked here: what it has at this gateway ends before `revoke` returns. Answers what ends the watch. */
  watchEnds(watcher: (id: string) => void): () => void
  /** Tells that tokens may have been revoked, here or elsewhere. Answers what ends the watch. */
  watchChanges(watcher: () => void): () => void
  start(): Promise<void>
  stop(): Promise<void>
}

export interface TokensComponents {
  store: Pick<Store, 'tokens' | 'listen'>
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

export interface TokensInit {
  /** The operator's own token. */
  adminToken: string | undefined
  /** Whether an identity provider can give rights too. */
  hasProvider: boolean
}

export function createTokens(init: TokensInit, components: TokensComponents): Tokens {
  const { store, now = Date.now } = components
  const ends = createWatchers<[id: string]>()
  const changes = createWatchers()
  const operator = init.adminToken === undefined ? undefined : hashOf(init.adminToken)
  /** By the hash of the secret, in hex. */
  const cache = new Map<string, Grant>()
  /** Rises when grants may have changed: what was looked up before is not remembered after. */
  let generation = 0
  let unlisten: (() => void) | undefined

  function forgetGrants(): void {
    generation++
    cache.clear()
  }

  /** Without the operator's own token or an identity provider, a token that allows `admin` for good is what the API is administered by. */
  const needsAdminToken = operator === undefined && !init.hasProvider

  /** Adds a token, unless it would be the first and can't administer for good. */
  async function addButFirst(record: TokenRecord): Promise<void> {
    if (await store.tokens.add(record, (tokens) => !needsAdminToken || isLastingAdmin(record) || tokens.length > 0)) return
    throw new AdminTokenNeeded('From the first token on every request needs one: make one first that allows "admin" and does not expire.')
  }

  /** Removes a token, unless it is the last that allows `admin` for good. @throws TokenNotFound, AdminTokenNeeded */
  async function removeButLast(id: string): Promise<void> {
    const isOther = (token: TokenRecord) => token.id !== id && isLastingAdmin(token)
    const isNeeded = (tokens: TokenRecord[]) => needsAdminToken && tokens.some((token) => token.id === id && isLastingAdmin(token))
    const removal = await store.tokens.remove(id, (tokens) => !isNeeded(tokens) || tokens.some(isOther))
    if (removal === 'unknown') throw new TokenNotFound('There is no token with this id.')
    if (removal === 'refused')
      throw new AdminTokenNeeded('It is the last token that allows "admin" and does not expire: make another one first.')
  }

  async function grantOfHash(hash: Buffer): Promise<Grant | undefined> {
    const key = hash.toString('hex')
    let grant = cache.get(key)
    while (grant === undefined) {
      const before = generation
      const record = await store.tokens.find(hash)
      if (record === undefined) return undefined
      // It may have been revoked meanwhile: then this is not what it allows now.
      if (before !== generation) continue
      grant = grantFrom(record)
      if (cache.size >= maxCached) cache.clear()
      cache.set(key, grant)
    }
    return grant.expiresAt !== undefined && grant.expiresAt <= now() ? undefined : grant
  }

  return {
    async create({ name, actions, topics, expiresAt }) {
      const expires = expiresAt === undefined ? undefined : Date.parse(expiresAt)
      if (expires !== undefined && expires <= now()) {
        throw new InvalidRequest('The token would have expired already.', { errors: [{ path: 'expiresAt', message: 'is in the past' }] })
      }
      const secret = secretPrefix + randomBytes(secretBytes).toString('base64url')
      const id = `tok_${Array.from(randomBytes(idLength), (byte) => idLetters[byte % idLetters.length]).join('')}`
      const record: TokenRecord = { id, name, hash: hashOf(secret), actions, topics, createdAt: now(), expiresAt: expires }
      await addButFirst(record)
      return { token: viewOf(record), secret }
    },
    list: async () => (await store.tokens.list()).map(viewOf),
    async revoke(id) {
      try {
        await removeButLast(id)
        void ends.tell(id)
      } finally {
        // Also when the answer of the database was lost: it may be removed.
        forgetGrants()
        void changes.tell()
      }
    },
    operatorGrant(secret) {
      return operator !== undefined && timingSafeEqual(operator, hashOf(secret)) ? fullGrant(operatorId) : undefined
    },
    grantOf: (secret) => grantOfHash(hashOf(secret)),
    grantOfHash,
    operatorProof: (key) => (operator === undefined ? undefined : createHmac('sha256', key).update(operator).digest()),
    async missing(ids) {
      const there = new Set((await store.tokens.list()).map(({ id }) => id))
      return new Set([...ids].filter((id) => id.startsWith('tok_') && !there.has(id)))
    },
    exist: async () => operator !== undefined || (await store.tokens.list()).length > 0,
    watchEnds: ends.watch,
    watchChanges: changes.watch,
    async start() {
      unlisten = store.listen(({ kind }) => {
        if (kind !== 'tokens' && kind !== 'everything') return
        forgetGrants()
        void changes.tell()
      })
    },
    async stop() {
      unlisten?.()
    },
  }
}

function isLastingAdmin({ actions, expiresAt }: TokenRecord): boolean {
  return actions.includes('admin') && expiresAt === undefined
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function grantFrom({ id, actions, topics, expiresAt }: TokenRecord): Grant {
  // Actions of newer versions are passed over.
  const known = actions.flatMap((action) => actionSchema.safeParse(action).data ?? [])
  return { id, actions: new Set(known), topics: topicFilter(topics), expiresAt }
}

function viewOf({ id, name, actions, topics, createdAt, expiresAt }: TokenRecord): TokenView {
  const expires = expiresAt === undefined ? null : new Date(expiresAt).toISOString()
  return { id, name, actions, topics, createdAt: new Date(createdAt).toISOString(), expiresAt: expires }
}
