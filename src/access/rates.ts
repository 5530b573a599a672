import { RateLimited } from '../errors.ts'
import { createLru } from '../lib/lru.ts'
import { createTokenBucket, type TokenBucket } from '../lib/token-bucket.ts'
import type { Limits } from '../limits.ts'
import { addressKey, clientKey } from './client-key.ts'

/**
 * Rate limits of clients: a token bucket for each access token and for each address (IPv6: /64), refilled every second.
 * A cheap call costs one unit, an expensive call costs the units of as many cheap calls.
 */
export interface Rates {
  /**
   * Takes the cost of a call from both budgets, or from none. Without `grantId`, takes it from the address alone.
   * `paid` is the part of the cost that the address has paid already. Returns the tighter budget. @throws RateLimited
   */
  take(client: { grantId?: string; address: string }, cost: number, paid?: number): Budget
  /** Charges an address for what was done, even more than it has: the rest is owed, and its next calls are refused. */
  charge(address: string, cost: number): void
  /** The budgets of a client, as they are. */
  budgets(client: RateClient): Budget[]
}

/** The token and the address of a client. */
export interface RateClient {
  grantId: string
  address: string
}

export interface Budget {
  name: 'token' | 'address'
  /** Units in a full budget. */
  quota: number
  /** Units that are added each second. */
  perSecond: number
  remaining: number
  /** Seconds until it is full again. */
  resetSeconds: number
}

export type RateLimits = Pick<Limits, 'tokenRate' | 'tokenBurst' | 'addressRate' | 'addressBurst'>

/** Bytes that cost one unit, in addition to the call: by default a token may send 40 MB a second. */
const bytesPerUnit = 4_096

/** The cost in units of the bytes of a body or a frame, in addition to the cost of the call. */
export function costOfBytes(bytes: number): number {
  return Math.floor(bytes / bytesPerUnit)
}

/**
 * Members of JSON objects that cost one unit, in addition to the bytes of the text: a megabyte of them with new names takes
 * a tenth of a second to parse.
 */
const membersPerUnit = 150

/** The cost in units of the members of all objects in a JSON text. */
export function costOfMembers(members: number): number {
  return Math.floor(members / membersPerUnit)
}

/**
 * Rows of the log that cost one unit: a step of 2,000 rows, up to 3 ms of SQLite, costs as much as fifty cheap calls.
 */
const rowsPerUnit = 40

/** The cost in units of reading rows of the log, whether they match or not. */
export function costOfRows(rows: number): number {
  return Math.floor(rows / rowsPerUnit)
}

/** Comparisons of topics with patterns that cost one unit: a thousand topics, of which each is compared with few, cost a hundred. */
const comparisonsPerUnit = 100

/** The cost in units of comparing the topics of the log with patterns. */
export function costOfComparisons(comparisons: number): number {
  return Math.floor(comparisons / comparisonsPerUnit)
}

/** Remembered budgets of each kind, the most recently used ones. A forgotten client has a full budget again. */
const maxClients = 50_000

export function createRates(init: { limits: RateLimits }, components: { now?: () => number } = {}): Rates {
  const { tokenRate, tokenBurst, addressRate, addressBurst } = init.limits
  const { now = () => performance.now() } = components
  const byToken = createKind('token', { perSecond: tokenRate, burst: tokenBurst })
  const byAddress = createKind('address', { perSecond: addressRate, burst: addressBurst })

  return {
    take({ grantId, address }, cost, paid = 0) {
      const at = now()
      const place = { kind: byAddress, bucket: byAddress.of(addressKey(address)), cost: Math.min(cost, addressBurst) - paid }
      const key = grantId === undefined ? undefined : clientKey({ grantId, address })
      const token = key === undefined ? [] : [{ kind: byToken, bucket: byToken.of(key), cost: Math.min(cost, tokenBurst) }]
      const bills = [...token, place]
      for (const { kind, bucket, cost } of bills) {
        const missing = cost - bucket.left(at)
        if (missing <= 0) continue
        throw new RateLimited(`This ${kind.name} exceeds its rate limit of ${kind.perSecond} units a second.`, {
          retryAfterMs: Math.ceil((missing / kind.perSecond) * 1_000),
          extensions: { budget: kind.name },
        })
      }
      for (const { bucket, cost } of bills) bucket.take(at, cost)
      const budgets = bills.map(({ kind, bucket }) => kind.budget(bucket, at))
      return budgets.reduce((tightest, budget) =>
        budget.remaining / budget.quota < tightest.remaining / tightest.quota ? budget : tightest,
      )
    },
    charge: (address, cost) => byAddress.of(addressKey(address)).spend(now(), cost),
    budgets({ grantId, address }) {
      const at = now()
      const token = byToken.budget(byToken.of(clientKey({ grantId, address })), at)
      return [token, byAddress.budget(byAddress.of(addressKey(address)), at)]
    },
  }
}

function createKind(name: Budget['name'], rate: { perSecond: number; burst: number }) {
  return {
    name,
    ...rate,
    of: createLru({ max: maxClients }, () => createTokenBucket(rate)),
    budget(bucket: TokenBucket, at: number): Budget {
      const remaining = Math.max(0, Math.floor(bucket.left(at)))
      return {
        name,
        quota: rate.burst,
        perSecond: rate.perSecond,
        remaining,
        resetSeconds: Math.ceil((rate.burst - remaining) / rate.perSecond),
      }
    },
  }
}
