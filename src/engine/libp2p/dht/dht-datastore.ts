import { Record as KadRecord } from '@libp2p/kad-dht'
import { BaseDatastore } from 'datastore-core'
import { type Datastore, Key, type KeyQuery, type Pair, type Query } from 'interface-datastore'
import { RecordOutdated } from '../../../errors.ts'
import type { Limits } from '../../../limits.ts'
import { type Counted, createDhtQuota, type DhtQuota } from '../../dht-quota.ts'
import { asking, dhtPrefix } from './dht.ts'
import type { Namespaces } from './dht-namespaces.ts'

interface Held extends Counted {
  /** Milliseconds of the given clock; for records from an earlier run, the time at which they were read. */
  at: number
}

/** Prefix of the keys of values; other keys under the DHT's prefix hold providers. */
const values = `${dhtPrefix}/record/`
/** Lifetime of a value, as in kad-dht, which removes expired values only when they are queried. */
const valueLifeMs = 48 * 3_600_000
/** Milliseconds between two removals of expired values. */
const sweepMs = 3_600_000

/**
 * The datastore of kad-dht's values and provider records. kad-dht bounds neither, so records that peers store here are
 * counted, by peer and in total, and refused beyond the limits. This node's own records are counted, but never refused.
 */
export class DhtDatastore extends BaseDatastore {
  readonly #inner: Datastore
  readonly #quota: DhtQuota
  readonly #now: () => number
  readonly #namespaces: Namespaces
  #held: Promise<Map<string, Held>> | undefined
  #sweptAt: number

  constructor(
    init: { limits: Limits },
    components: { inner: Datastore; namespaces: Namespaces; now?: () => number; onRefused?: () => void },
  ) {
    super()
    this.#namespaces = components.namespaces
    this.#quota = createDhtQuota(init, components)
    this.#inner = components.inner
    this.#now = components.now ?? (() => performance.now())
    this.#sweptAt = this.#now()
  }

  /** @throws DhtQuotaReached, RecordOutdated (kad-dht itself takes an older value for a newer one) */
  override async put(key: Key, value: Uint8Array): Promise<Key> {
    const held = await this.#index()
    await this.#sweep(held)
    const name = key.toString()
    if (name.startsWith(values) && held.has(name)) await this.#checkNewer(key, value)
    const { peerId: from, host } = asking.getStore() ?? {}
    const before = held.get(name)
    if (from !== undefined) this.#quota.check({ from, host, bytes: value.byteLength }, before)
    this.#forget(held, name)
    this.#note(held, name, { bytes: value.byteLength, from, host, at: this.#now() })
    return await this.#inner.put(key, value)
  }

  override async get(key: Key): Promise<Uint8Array> {
    return await this.#inner.get(key)
  }

  override async has(key: Key): Promise<boolean> {
    return await this.#inner.has(key)
  }

  override async delete(key: Key): Promise<void> {
    this.#forget(await this.#index(), key.toString())
    await this.#inner.delete(key)
  }

  override async *_all(query: Query): AsyncGenerator<Pair> {
    yield* this.#inner.query(query)
  }

  override async *_allKeys(query: KeyQuery): AsyncGenerator<Key> {
    yield* this.#inner.queryKeys(query)
  }

  async #sweep(held: Map<string, Held>): Promise<void> {
    const now = this.#now()
    if (now - this.#sweptAt < sweepMs) return
    this.#sweptAt = now
    for (const [name, { at }] of held) {
      if (now - at > valueLifeMs && name.startsWith(values)) await this.delete(new Key(name))
    }
  }

  async #checkNewer(key: Key, value: Uint8Array): Promise<void> {
    const next = KadRecord.deserialize(value)
    const there = KadRecord.deserialize(await this.#inner.get(key))
    const [, namespace = ''] = Buffer.from(next.key).toString().split('/')
    const select = this.#namespaces.selectors[namespace]
    if (select === undefined || Buffer.compare(next.value, there.value) === 0) return
    if ((await select(next.key, [there.value, next.value])) === 0) throw new RecordOutdated('A newer record exists under this key.')
  }

  #note(held: Map<string, Held>, name: string, record: Held): void {
    held.set(name, record)
    this.#quota.add(record)
  }

  #forget(held: Map<string, Held>, name: string): void {
    const record = held.get(name)
    if (record !== undefined && held.delete(name)) this.#quota.remove(record)
  }

  /** The index of stored records, read on first use. */
  #index(): Promise<Map<string, Held>> {
    this.#held ??= this.#read()
    return this.#held
  }

  async #read(): Promise<Map<string, Held>> {
    const held = new Map<string, Held>()
    for await (const { key, value } of this.#inner.query({ prefix: dhtPrefix })) {
      const [, , kind, , provider] = key.toString().split('/')
      this.#note(held, key.toString(), { bytes: value.byteLength, from: kind === 'provider' ? provider : undefined, at: this.#now() })
    }
    return held
  }
}
