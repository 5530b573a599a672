import { DhtQuotaReached, InvalidRecord, RecordOutdated } from '../../../errors.ts'
import { createLru } from '../../../lib/lru.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { nameOf, type Place, placeOf } from '../../key-space.ts'
import type { Contact, DhtAnswer, DhtRequest } from './frames.ts'
import type { Holdings } from './holdings.ts'
import type { DhtNodeLimits } from './limits.ts'
import type { RoutingTable } from './routing-table.ts'

/** Answers the DHT requests of peers. */
export interface Answers {
  /** @throws Error when the peer exceeds its rate limit */
  answer(from: string, request: DhtRequest): Promise<DhtAnswer>
}

export interface AnswersComponents {
  table: Pick<RoutingTable, 'closest'>
  holdings: Holdings
  now(): number
  /** In [0, 1). */
  random(): number
}

/** Maximum number of peers whose requests are counted, the most recently asking ones. */
const maxCountedPeers = 2_000

export function createAnswers(init: { limits: DhtNodeLimits }, components: AnswersComponents): Answers {
  const { limits } = init
  const { table, holdings, now, random } = components
  const bucketOf = createLru({ max: maxCountedPeers }, () =>
    createTokenBucket({ perSecond: limits.requestsPerSecond, burst: limits.requestsBurst }),
  )

  function closerThan(place: Place, asking: string): Contact[] {
    const contacts = table.closest(place, limits.k + 1).filter((contact) => contact.peerId !== asking)
    return contacts
      .slice(0, limits.k)
      .map(({ peerId: id, multiaddrs }) => ({ peerId: id, multiaddrs: multiaddrs.slice(0, limits.maxAddresses) }))
  }

  async function keep(from: string, { key, record, ageMs }: Extract<DhtRequest, { type: 'put-value' }>): Promise<DhtAnswer> {
    try {
      await holdings.keepValue(key, record, { from, putAt: now() - Math.min(ageMs, limits.valueMs) })
      return {}
    } catch (error) {
      if (error instanceof InvalidRecord) return { refused: 'invalid' }
      if (error instanceof RecordOutdated) return { refused: 'outdated' }
      if (error instanceof DhtQuotaReached) return { refused: 'full' }
      throw error
    }
  }

  async function keepProvider(from: string, place: Uint8Array, multiaddrs: string[]): Promise<DhtAnswer> {
    try {
      const own = multiaddrs.filter((address) => address.endsWith(`/p2p/${from}`)).slice(0, limits.maxAddresses)
      await holdings.keepProvider(nameOf(place), { peerId: from, multiaddrs: own })
      return {}
    } catch (error) {
      if (error instanceof DhtQuotaReached) return { refused: 'full' }
      throw error
    }
  }

  return {
    async answer(from, request) {
      if (!bucketOf(from).take(now())) throw new Error('too many DHT requests')
      switch (request.type) {
        case 'find-node':
          return { closer: closerThan(Buffer.from(request.place), from) }
        case 'get-value': {
          const kept = await holdings.value(request.key)
          const closer = closerThan(placeOf(Buffer.from(request.key)), from)
          return kept === undefined ? { closer } : { closer, record: kept.record, ageMs: Math.max(0, now() - kept.putAt) }
        }
        case 'put-value':
          return await keep(from, request)
        case 'get-providers': {
          const place = Buffer.from(request.place)
          return { closer: closerThan(place, from), providers: holdings.someProviders(nameOf(place), limits.maxProviders, random) }
        }
        case 'add-provider':
          return await keepProvider(from, request.place, request.multiaddrs)
        default:
          return request satisfies never
      }
    },
  }
}
