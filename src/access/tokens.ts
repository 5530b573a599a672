import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { AdminTokenNeeded, ExpiryPassed, TokenLimit, TokenNotFound } from '../errors.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { type Page, pageOf } from '../lib/page.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Limits } from '../limits.ts'
import { actionSchema } from '../model/action.ts'
import { fullGrant, type Grant } from '../model/grant.ts'
import { formatTokenPlace, type TokenInput, type TokenPlace, type TokenView } from '../model/token.ts'
import { topicFilter } from '../model/topic.ts'
import type { Store } from '../store/store.ts'
import type { CreatedToken, TokenChange, TokenKey, TokenRecord } from '../store/token-store.ts'
import { createGrantCache } from './grant-cache.ts'
import { createTokenKeys } from './token-keys.ts'
import { createTokenUses } from './token-uses.ts'

/** The access tokens of this gateway's database, and the operator's token from the environment. */
export interface Tokens {
  /**
   * Creates a token. The secret is returned only here; the database has its hash.
   * @throws ExpiryPassed when `expiresAt` is in the past
   * @throws AdminTokenNeeded when it is the first token and does not allow `admin`, or expires
   * @throws TokenLimit when there are `maxTokens`, of which none has expired
   */
  create(input: TokenInput): Promise<{ token: TokenView; secret: string }>
  /**
   * `create`, once for each idempotency key: a repetition gets the token as it was created, and no secret.
   * @throws IdempotencyKeyReused when the key was used for another token
   * @throws IdempotencyKeyLimit when too many keys of the client are remembered
   */
  createOnce(input: TokenInput, idempotency: { scope: string; key: string }): Promise<{ token: TokenView; secret: string | null }>
  list(): Promise<TokenView[]>
  /** A page in order of creation. */
  page(query: { after?: TokenPlace | undefined; limit: number }): Promise<Page<TokenView>>
  /** @throws TokenNotFound */
  get(id: string): Promise<TokenView>
  /** @throws TokenNotFound */
  rename(id: string, name: string): Promise<TokenView>
  /**
   * Revokes a token at every gateway of the database.
   * @throws TokenNotFound
   * @throws AdminTokenNeeded when it is the last token that allows `admin` and does not expire
   */
  revoke(id: string): Promise<void>
  /** The operator's grant if the secret is the operator's token, else undefined. */
  operatorGrant(secret: string): Grant | undefined
  /** What the secret allows; undefined when it is unknown, expired or revoked. */
  grantOf(secret: string): Promise<Grant | undefined>
  /** `grantOf` by the SHA-256 of the secret. */
  grantOfHash(hash: Buffer): Promise<Grant | undefined>
  /**
   * HMAC-SHA-256 of the operator's token under the key, which only the holders of both can compute. Undefined without
   * such a token.
   */
  operatorProof(key: Buffer): Buffer | undefined
  /** The ids, of those given, whose tokens no longer exist. */
  missing(ids: Iterable<string>): Promise<Set<string>>
  /** Whether any token exists, the operator's included. */
  exist(): Promise<boolean>
  /**
   * Calls the watcher for each token that `revoke` removes, before `revoke` returns. Returns a function that ends the
   * watch.
   */
  watchEnds(watcher: (id: string) => void): () => void
  /**
   * Calls the watcher when tokens may have been revoked, here or at another gateway, or sessions ended at another
   * gateway. Returns a function that ends the watch.
   */
  watchChanges(watcher: (change: TokenChange) => void): () => void
  start(): Promise<void>
  stop(): Promise<void>
}

export interface TokensComponents {
  store: Pick<Store, 'tokens' | 'listen' | 'log'>
  now?: () => number
  /** Age time, which stands still while the clock is not trusted: that of idempotency keys. */
  age?: () => number
}

/** Prefix of all secrets, by which secret scanners recognize them. */
const secretPrefix = 'peergate_'
const secretBytes = 32
const idPrefix = 'tok_'
const idLetters = 'abcdefghijkmnpqrstuvwxyz23456789'
const idLength = 16
/** Id of the operator's grant. */
export const operatorId = 'operator'

export interface TokensInit {
  /** The operator's token. */
  adminToken: string | undefined
  /** Whether an identity provider can grant rights too. */
  hasProvider: boolean
  limits: Pick<Limits, 'maxTokens' | 'maxIdempotencyKeysPerToken'>
}

export function createTokens(init: TokensInit, components: TokensComponents): Tokens {
  const { store, now = Date.now, age = now } = components
  const keys = createTokenKeys(init, { store, age })
  const uses = createTokenUses({ store: store.tokens })
  const ends = createWatchers<[id: string]>()
  const changes = createWatchers<[change: TokenChange]>()
  const operator = init.adminToken === undefined ? undefined : hashOf(init.adminToken)
  /** By the hash of the secret, in hex. */
  const grants = createGrantCache()
  let unlisten: (() => void) | undefined

  function changed(change: TokenChange): void {
    // The end of a session changes no grant of a token.
    if (change.session === undefined) grants.forget(change.token)
    changes.tell(change)
  }

  /**
   * Without the operator's token or an identity provider, the API can only be administered with a lasting `admin`
   * token.
   */
  const needsAdminToken = operator === undefined && !init.hasProvider

  /**
   * Adds a token, unless its key is known, or it would be the first and is not a lasting `admin` token.
   * @throws AdminTokenNeeded, TokenLimit
   */
  async function addButFirst(record: TokenRecord, key?: TokenKey): Promise<'added' | 'known'> {
    const { maxTokens: max } = init.limits
    const addition = await store.tokens.add(record, { needsOther: needsAdminToken && !isLastingAdmin(record), max, key })
    if (addition === 'full') throw new TokenLimit(`There are ${max} tokens, and none has expired.`)
    if (addition !== 'refused') return addition
    throw new AdminTokenNeeded('The first token must allow "admin" and must not expire, since every request needs a token from then on.')
  }

  /** Removes a token, unless it is the last lasting `admin` token. @throws TokenNotFound, AdminTokenNeeded */
  async function removeButLast(id: string): Promise<void> {
    const removal = await store.tokens.remove(id, { keepsAdmin: needsAdminToken })
    if (removal === 'unknown') throw unknownToken()
    if (removal === 'refused')
      throw new AdminTokenNeeded('This is the last token that allows "admin" and does not expire. Create another one first.')
  }

  async function grantOfHash(hash: Buffer): Promise<Grant | undefined> {
    const grant = await grants.get(hash.toString('hex'), async () => {
      const record = await store.tokens.find(hash)
      return record === undefined ? undefined : grantFrom(record)
    })
    if (grant === undefined) return undefined
    if (grant.expiresAt !== undefined && grant.expiresAt <= now()) return undefined
    uses.note(grant.id, now())
    return grant
  }

  async function get(id: string): Promise<TokenView> {
    const record = await store.tokens.get(id)
    if (record === undefined) throw unknownToken()
    return viewOf(record)
  }

  /** A new token, which is not added yet. @throws ExpiryPassed */
  function makeToken({ name, actions, topics, expiresAt }: TokenInput): { record: TokenRecord; secret: string } {
    const expires = expiresAt === undefined ? undefined : Date.parse(expiresAt)
    if (expires !== undefined && expires <= now()) {
      throw new ExpiryPassed('The expiry of the token is in the past.', { errors: [{ path: '/expiresAt', message: 'is in the past' }] })
    }
    const secret = secretPrefix + randomBytes(secretBytes).toString('base64url')
    const id = `${idPrefix}${Array.from(randomBytes(idLength), (byte) => idLetters[byte % idLetters.length]).join('')}`
    return {
      record: { id, name, hash: hashOf(secret), actions, topics, createdAt: now(), expiresAt: expires, lastUsedAt: undefined },
      secret,
    }
  }

  return {
    async create(input) {
      const { record, secret } = makeToken(input)
      await addButFirst(record)
      return { token: viewOf(record), secret }
    },
    async createOnce(input, idempotency) {
      const key = keys.keyOf(input, idempotency)
      const earlier = await keys.created(key)
      if (earlier !== undefined) return { token: viewOf(earlier), secret: null }
      const { record, secret } = makeToken(input)
      await keys.take(idempotency)
      if ((await addButFirst(record, key)) === 'added') return { token: viewOf(record), secret }
      // Another request took the key since it was looked up.
      const meanwhile = await keys.created(key)
      if (meanwhile === undefined) throw new Error('what a taken idempotency key has created is not there')
      return { token: viewOf(meanwhile), secret: null }
    },
    list: async () => (await store.tokens.list()).map(viewOf),
    async page({ after, limit }) {
      const read = await store.tokens.page({ ...omitUndefined({ after }), limit: limit + 1 })
      const { items, next } = pageOf(read, limit, formatTokenPlace)
      return { items: items.map(viewOf), next }
    },
    get,
    async rename(id, name) {
      if (!(await store.tokens.rename(id, name))) throw unknownToken()
      return await get(id)
    },
    async revoke(id) {
      try {
        await removeButLast(id)
        ends.tell(id)
      } finally {
        // Also after an error: the token may be removed although the database's answer was lost.
        changed({ token: id })
      }
    },
    operatorGrant(secret) {
      return operator !== undefined && timingSafeEqual(operator, hashOf(secret)) ? fullGrant(operatorId) : undefined
    },
    grantOf: (secret) => grantOfHash(hashOf(secret)),
    grantOfHash,
    operatorProof: (key) => (operator === undefined ? undefined : createHmac('sha256', key).update(operator).digest()),
    async missing(ids) {
      const asked = [...ids].filter(isTokenId)
      return new Set(asked.length === 0 ? [] : await store.tokens.missing(asked))
    },
    exist: async () => operator !== undefined || (await store.tokens.page({ limit: 1 })).length > 0,
    watchEnds: ends.watch,
    watchChanges: changes.watch,
    async start() {
      unlisten = store.listen((change) => {
        if (change.kind === 'everything') changed({})
        if (change.kind === 'tokens') changed(omitUndefined({ token: change.token, session: change.session }))
      })
    },
    async stop() {
      unlisten?.()
      await uses.flush()
    },
  }
}

/** Whether an id is that of a token in the database, and not of an operator, a subject or a session. */
export function isTokenId(id: string): boolean {
  return id.startsWith(idPrefix)
}

function unknownToken(): TokenNotFound {
  return new TokenNotFound('No token has this id.')
}

function isLastingAdmin({ actions, expiresAt }: TokenRecord): boolean {
  return actions.includes('admin') && expiresAt === undefined
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function grantFrom({ id, actions, topics, expiresAt }: TokenRecord): Grant {
  // Actions of newer versions are ignored.
  const known = actions.flatMap((action) => actionSchema.safeParse(action).data ?? [])
  return { id, actions: new Set(known), topics: topicFilter(topics), expiresAt }
}

function viewOf({ id, name, actions, topics, createdAt, expiresAt, lastUsedAt }: CreatedToken & Partial<TokenRecord>): TokenView {
  const times = { createdAt: new Date(createdAt).toISOString(), expiresAt: timeOf(expiresAt), lastUsedAt: timeOf(lastUsedAt) }
  return { id, name, actions, topics, ...times }
}

function timeOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
