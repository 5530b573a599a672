import { RateLimited } from './errors.ts'
import { createTokenBucket, type TokenBucket } from './token-bucket.ts'

/**
 * How much each client may ask for: a budget for each token, and one for each address, that fill up again by the second. A cheap call costs
 * one unit, an expensive one as many as it is worth of cheap ones.
 */
export interface Rates {
  /** Takes the cost of a call from both budgets, or from none. Answers the tighter one. @throws RateLimited */
  take(client: RateClient, cost: number): Budget
}

export interface RateClient {
  grantId: string
  address: string
}

export interface Budget {
  name: 'token' | 'address'
  /** Units in a full budget. */
  quota: number
  remaining: number
  /** Seconds until it is full again. */
  resetSeconds: number
}

export interface RateLimits {
  tokenRate: number
  tokenBurst: number
  addressRate: number
  addressBurst: number
}

/** Clients that are remembered of each kind; who is forgotten has a full budget again. */
const maxClients = 50_000

export function createRates(init: { limits: RateLimits }, components: { now?: () => number } = {}): Rates {
  const { tokenRate, tokenBurst, addressRate, addressBurst } = init.limits
  const { now = () => performance.now() } = components
  const kinds = [
    createKind('token', { perSecond: tokenRate, burst: tokenBurst }),
    createKind('address', { perSecond: addressRate, burst: addressBurst }),
  ] as const

  return {
    take({ grantId, address }, cost) {
      const at = now()
      const [token, place] = [kinds[0].of(grantId), kinds[1].of(address)]
      for (const [kind, bucket] of [
        [kinds[0], token],
        [kinds[1], place],
      ] as const) {
        const missing = Math.min(cost, kind.burst) - bucket.left(at)
        if (missing <= 0) continue
        throw new RateLimited(`This ${kind.name} has asked for more than ${kind.perSecond} units a second.`, {
          retryAfterMs: Math.ceil((missing / kind.perSecond) * 1_000),
          extensions: { budget: kind.name },
        })
      }
      token.take(at, Math.min(cost, tokenBurst))
      place.take(at, Math.min(cost, addressBurst))
      const budgets = [kinds[0].budget(token, at), kinds[1].budget(place, at)] as const
      return budgets[0].remaining / budgets[0].quota <= budgets[1].remaining / budgets[1].quota ? budgets[0] : budgets[1]
    },
  }
}

function createKind(name: Budget['name'], rate: { perSecond: number; burst: number }) {
  const buckets = new Map<string, TokenBucket>()
  return {
    name,
    ...rate,
    of(key: string): TokenBucket {
      let bucket = buckets.get(key)
      // Whoever asks moves to the end, so that the first is the one that has been quiet longest.
      if (bucket === undefined) bucket = createTokenBucket(rate)
      else buckets.delete(key)
      buckets.set(key, bucket)
      if (buckets.size > maxClients) buckets.delete(buckets.keys().next().value ?? '')
      return bucket
    },
    budget(bucket: TokenBucket, at: number): Budget {
      const remaining = Math.floor(bucket.left(at))
      return { name, quota: rate.burst, remaining, resetSeconds: Math.ceil((rate.burst - remaining) / rate.perSecond) }
    },
  }
}
