import { encode } from 'cborg'
import { z } from 'zod'
import { RecordOutdated } from '../../../errors.ts'
import { bytes } from '../../../lib/bytes-schema.ts'
import { decodeCbor } from '../../../lib/cbor.ts'
import { createSampledMap, type SampledMap } from '../../../lib/sampled-map.ts'
import { type DhtKey, parseDhtKey, replaces, validateRecord } from '../../../model/dht-record.ts'
import type { RecordStore } from '../../../store/record-store.ts'
import type { Counted, DhtQuota } from '../../dht-quota.ts'
import { placeOfPeer } from '../../key-space.ts'
import type { Contact } from './frames.ts'
import type { DhtNodeLimits } from './limits.ts'

/**
 * The part of the DHT that a node keeps in the database: values and providers that peers stored here, and the contents
 * that it provides itself. Values are validated first, and each peer has a quota. The index is in memory, the values
 * are not.
 */
export interface Holdings {
  /** Loads the index from the database. Call it once. */
  load(): Promise<void>
  value(key: string): Promise<{ record: Uint8Array; putAt: number } | undefined>
  /**
   * @param from the peer that stores it; undefined for this node
   * @throws InvalidRecord, RecordOutdated, DhtQuotaReached
   */
  keepValue(key: string, record: Uint8Array, about: { from: string | undefined; putAt: number }): Promise<void>
  /** Values, with the time at which another node last sent them or this node republished them. */
  values(): Array<{ key: string; heardAt: number }>
  told(key: string): void
  /** All providers of a place. */
  providers(place: string): Contact[]
  /** At most `count` random providers of a place, in time O(count). Includes the peer whose own place it is. */
  someProviders(place: string, count: number, random: () => number): Contact[]
  /** @throws DhtQuotaReached */
  keepProvider(place: string, provider: Contact): Promise<void>
  /** Places of contents that this node provides, with the time of the last announcement. */
  readonly provided: ReadonlyMap<string, number>
  provide(place: string): Promise<void>
  stopProviding(place: string): Promise<void>
  /** Removes expired values and providers. */
  sweep(): Promise<void>
}

export interface HoldingsComponents {
  records: RecordStore
  quota: DhtQuota
  /** The host that a linked peer is counted by (`Asker`). */
  hostOf?(peerId: string): string | undefined
  now(): number
}

interface KeptValue extends Counted {
  putAt: number
  heardAt: number
}

interface KeptProvider extends Counted {
  multiaddrs: string[]
  saidAt: number
}

const prefix = '/dht/'
const valueName = (key: string) => `${prefix}value${key}`
const providerName = (place: string, peerId: string) => `${prefix}provider/${place}/${peerId}`
const providedName = (place: string) => `${prefix}provided/${place}`

const storedValueSchema = z.object({
  record: bytes(),
  putAt: z.int(),
  from: z.string().optional(),
  host: z.string().optional(),
})
const storedProviderSchema = z.object({ multiaddrs: z.array(z.string()), saidAt: z.int(), host: z.string().optional() })
/** Counted bytes of a provider beside its addresses. */
const providerOverheadBytes = 200

/** The providers of a place, and the one whose own place it is. */
interface ProvidersOfPlace {
  readonly byPeer: SampledMap<KeptProvider>
  itself: string | undefined
}

export function createHoldings(init: { limits: DhtNodeLimits }, components: HoldingsComponents): Holdings {
  const { limits } = init
  const { records, quota, hostOf = () => undefined, now } = components
  const values = new Map<string, KeptValue>()
  const providers = new Map<string, ProvidersOfPlace>()
  const provided = new Map<string, number>()

  function noteValue(key: string, kept: KeptValue): void {
    const before = values.get(key)
    if (before !== undefined) quota.remove(before)
    values.set(key, kept)
    quota.add(kept)
  }

  function noteProvider(place: string, peerId: string, kept: KeptProvider): void {
    const there = providers.get(place) ?? { byPeer: createSampledMap<KeptProvider>(), itself: undefined }
    const before = there.byPeer.get(peerId)
    if (before !== undefined) quota.remove(before)
    else if (placeOfPeer(peerId).toString('hex') === place) there.itself = peerId
    there.byPeer.set(peerId, kept)
    providers.set(place, there)
    quota.add(kept)
  }

  async function forgetValue(key: string, kept: KeptValue): Promise<void> {
    values.delete(key)
    quota.remove(kept)
    await records.write([{ key: valueName(key) }])
  }

  async function forgetProvider(place: string, peerId: string, kept: KeptProvider): Promise<void> {
    const there = providers.get(place)
    there?.byPeer.delete(peerId)
    if (there?.itself === peerId) there.itself = undefined
    if (there?.byPeer.size === 0) providers.delete(place)
    quota.remove(kept)
    await records.write([{ key: providerName(place, peerId) }])
  }

  /** The providers that have not expired. */
  function fresh(kept: Iterable<[string, KeptProvider]>): Contact[] {
    const there = [...kept].filter(([, { saidAt }]) => now() - saidAt <= limits.providerMs)
    return there.map(([peerId, { multiaddrs }]) => ({ peerId, multiaddrs }))
  }

  async function value(key: string): Promise<{ record: Uint8Array; putAt: number } | undefined> {
    const kept = values.get(key)
    if (kept === undefined || now() - kept.putAt > limits.valueMs) return undefined
    const stored = await records.get(valueName(key))
    return stored === undefined ? undefined : storedValueSchema.parse(decodeCbor(stored))
  }

  function loadOne(key: string, bytes: Uint8Array): void {
    const [, , kind, place = '', peerId = ''] = key.split('/')
    if (kind === 'value') {
      const { putAt, from, host, record } = storedValueSchema.parse(decodeCbor(bytes))
      const name = key.slice(`${prefix}value`.length)
      noteValue(name, { putAt, from, host, author: authorOf(parseDhtKey(name)), bytes: record.length, heardAt: now() })
    } else if (kind === 'provider') {
      const { multiaddrs, saidAt, host } = storedProviderSchema.parse(decodeCbor(bytes))
      noteProvider(place, peerId, { multiaddrs, saidAt, from: peerId, host, bytes: sizeOf(multiaddrs) })
    } else if (kind === 'provided') provided.set(place, Number.NEGATIVE_INFINITY)
  }

  return {
    async load() {
      for (const { key, value: bytes } of await records.list(prefix)) loadOne(key, bytes)
    },
    value,
    async keepValue(key, record, { from, putAt }) {
      const parsed = parseDhtKey(key)
      await validateRecord(parsed, record)
      const there = await value(key)
      const isSame = there !== undefined && Buffer.compare(there.record, record) === 0
      if (there !== undefined && !isSame && !(await replaces(parsed, record, there.record))) {
        throw new RecordOutdated('A newer record is kept under this key.')
      }
      const before = values.get(key)
      const host = from === undefined ? undefined : hostOf(from)
      const author = from === undefined ? undefined : authorOf(parsed)
      if (from !== undefined) quota.check({ from, host, author, bytes: record.length }, before)
      // An unchanged record stays on the quota of the peer that stored it first.
      const kept: KeptValue = {
        ...(isSame ? { from: before?.from, host: before?.host, author: before?.author } : { from, host, author }),
        bytes: record.length,
        heardAt: now(),
        putAt: Math.max(putAt, there?.putAt ?? putAt),
      }
      noteValue(key, kept)
      const stored = { record, putAt: kept.putAt, from: kept.from, host: kept.host }
      await records.write([{ key: valueName(key), value: encode(stored, { ignoreUndefinedProperties: true }) }])
    },
    values: () => [...values].map(([key, { heardAt }]) => ({ key, heardAt })),
    told(key) {
      const kept = values.get(key)
      if (kept !== undefined) kept.heardAt = now()
    },
    providers: (place) => fresh(providers.get(place)?.byPeer ?? []),
    someProviders(place, count, random) {
      const there = providers.get(place)
      if (there === undefined) return []
      const { byPeer, itself } = there
      const sample = byPeer.sample(count, random)
      const kept = itself === undefined ? undefined : byPeer.get(itself)
      if (itself !== undefined && kept !== undefined && !sample.some(([peerId]) => peerId === itself)) sample[0] = [itself, kept]
      return fresh(sample)
    },
    async keepProvider(place, { peerId, multiaddrs }) {
      const bytes = sizeOf(multiaddrs)
      const host = hostOf(peerId)
      quota.check({ from: peerId, host, bytes }, providers.get(place)?.byPeer.get(peerId))
      const saidAt = now()
      noteProvider(place, peerId, { from: peerId, host, bytes, multiaddrs, saidAt })
      await records.write([
        { key: providerName(place, peerId), value: encode({ multiaddrs, saidAt, host }, { ignoreUndefinedProperties: true }) },
      ])
    },
    provided,
    async provide(place) {
      const isNew = !provided.has(place)
      provided.set(place, now())
      if (isNew) await records.write([{ key: providedName(place), value: new Uint8Array() }])
    },
    async stopProviding(place) {
      if (provided.delete(place)) await records.write([{ key: providedName(place) }])
    },
    async sweep() {
      for (const [key, kept] of values) if (now() - kept.putAt > limits.valueMs) await forgetValue(key, kept)
      for (const [place, there] of providers) {
        for (const [peerId, kept] of there.byPeer) if (now() - kept.saidAt > limits.providerMs) await forgetProvider(place, peerId, kept)
      }
    },
  }
}

/** Any peer may store an own record for its owner, so the owner is counted too. */
function authorOf(key: DhtKey): string | undefined {
  return key.namespace === 'own' ? key.owner : undefined
}

function sizeOf(multiaddrs: string[]): number {
  return multiaddrs.reduce((sum, { length }) => sum + length, providerOverheadBytes)
}
