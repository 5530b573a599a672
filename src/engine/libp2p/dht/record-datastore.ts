import { NotFoundError } from '@libp2p/interface'
import { BaseDatastore } from 'datastore-core'
import { Key, type KeyQuery, type Pair, type Query } from 'interface-datastore'
import type { Logger } from 'pino'
import type { RecordStore } from '../../../store/record-store.ts'

const prefix = '/libp2p'
/** Milliseconds that a change may wait, and changes that may wait: a connecting peer makes about a dozen. */
const writeBehindMs = 1_000
const maxWaiting = 500

/** libp2p's datastore in our database. Changes are written behind, many at a time; what a crash loses, peers tell again. */
export class RecordDatastore extends BaseDatastore {
  readonly #records: RecordStore
  readonly #logger: Logger
  #closed = false
  /** Changes not written yet; without a value, a delete. */
  #waiting = new Map<string, Uint8Array | undefined>()
  #writing: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  constructor(components: { records: RecordStore; logger: Logger }) {
    super()
    this.#records = components.records
    this.#logger = components.logger
  }

  override put(key: Key, value: Uint8Array): Key {
    this.#change(key, value)
    return key
  }

  override delete(key: Key): void {
    this.#change(key, undefined)
  }

  override async get(key: Key): Promise<Uint8Array> {
    const value = await this.#find(key)
    if (value === undefined) throw new NotFoundError()
    return value
  }

  override async has(key: Key): Promise<boolean> {
    return (await this.#find(key)) !== undefined
  }

  override async *_all(query: Query): AsyncGenerator<Pair> {
    await this.flush()
    for (const { key, value } of await this.#list(query.prefix)) yield { key, value }
  }

  override async *_allKeys(query: KeyQuery): AsyncGenerator<Key> {
    await this.flush()
    for (const { key } of await this.#list(query.prefix)) yield key
  }

  /** Takes changes again after a close. */
  open(): void {
    this.#closed = false
  }

  /** Writes what waits. What a stopping node still says afterwards is dropped: the database may be closed by then. */
  async close(): Promise<void> {
    this.#closed = true
    await this.flush()
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = [...this.#waiting].map(([key, value]) => (value === undefined ? { key } : { key, value }))
    this.#waiting = new Map()
    if (batch.length > 0) this.#writing = this.#writing.then(() => this.#records.write(batch))
    await this.#writing
  }

  async #find(key: Key): Promise<Uint8Array | undefined> {
    const name = prefix + key.toString()
    if (this.#waiting.has(name)) return this.#waiting.get(name)
    await this.#writing
    return await this.#records.get(name)
  }

  async #list(keyPrefix = ''): Promise<Pair[]> {
    const records = await this.#records.list(prefix + keyPrefix)
    return records.map(({ key, value }) => ({ key: new Key(key.slice(prefix.length)), value }))
  }

  #change(key: Key, value: Uint8Array | undefined): void {
    if (this.#closed) return
    this.#waiting.set(prefix + key.toString(), value)
    if (this.#waiting.size >= maxWaiting) this.#flushLater(0)
    else this.#timer ??= this.#flushLater(writeBehindMs)
  }

  #flushLater(delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.flush().catch((err: unknown) => {
        this.#writing = Promise.resolve()
        this.#logger.warn({ err }, 'what libp2p knows of peers could not be stored')
      })
    }, delay)
  }
}
