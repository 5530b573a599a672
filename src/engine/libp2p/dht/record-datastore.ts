import { NotFoundError } from '@libp2p/interface'
import { peerIdFromCID } from '@libp2p/peer-id'
import { BaseDatastore } from 'datastore-core'
import { Key, type KeyQuery, type Pair, type Query } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import type { Logger } from 'pino'
import { createWriteBehind, type WriteBehind } from '../../../lib/write-behind.ts'
import type { RecordStore } from '../../../store/record-store.ts'

const prefix = '/libp2p'
/**
 * Prefix under which libp2p's peer store keeps a record of each peer that it hears of, forever; the key ends in the CID
 * of the peer id.
 */
const peerPrefix = `${prefix}/peers/`
/** Maximum delay of a change in milliseconds, and maximum pending changes: a connecting peer makes about a dozen. */
const writeBehindMs = 1_000
const maxWaiting = 500

/**
 * libp2p's datastore in this gateway's database, with batched write-behind; peers tell again what a crash loses. At
 * most `maxPeers` peer records are kept: beyond that the longest unchanged are deleted, except those of linked peers.
 */
export class RecordDatastore extends BaseDatastore {
  readonly #records: RecordStore
  readonly #maxPeers: number
  readonly #isLinked: (peerId: string) => boolean
  /** Names of peer records, the longest unchanged first. */
  readonly #peers = new Set<string>()
  #closed = false
  /** Pending changes; undefined is a deletion. */
  #waiting = new Map<string, Uint8Array | undefined>()
  #beingWritten = new Map<string, Uint8Array | undefined>()
  readonly #writes: WriteBehind

  constructor(init: { maxPeers: number }, components: { records: RecordStore; isLinked(peerId: string): boolean; logger: Logger }) {
    super()
    this.#maxPeers = init.maxPeers
    this.#isLinked = components.isLinked
    this.#records = components.records
    this.#writes = createWriteBehind(
      { delayMs: writeBehindMs },
      {
        write: () => this.#write(),
        onError: (err) => components.logger.warn({ err }, 'the peer records of libp2p could not be stored'),
      },
    )
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

  /** Accepts changes, also after a close. */
  async open(): Promise<void> {
    for (const { key } of await this.#records.list(peerPrefix)) this.#peers.add(key)
    this.#closed = false
    this.#forgetPeers()
  }

  /** Writes pending changes. Later changes by a stopping node are dropped: the database may be closed by then. */
  async close(): Promise<void> {
    this.#closed = true
    await this.flush()
  }

  /** Writes pending changes. */
  async flush(): Promise<void> {
    await this.#writes.flush()
  }

  async #write(): Promise<void> {
    if (this.#waiting.size === 0) return
    this.#beingWritten = this.#waiting
    this.#waiting = new Map()
    try {
      await this.#records.write(Array.from(this.#beingWritten, ([key, value]) => (value === undefined ? { key } : { key, value })))
    } finally {
      this.#beingWritten = new Map()
    }
  }

  async #find(key: Key): Promise<Uint8Array | undefined> {
    const name = prefix + key.toString()
    for (const changes of [this.#waiting, this.#beingWritten]) if (changes.has(name)) return changes.get(name)
    return await this.#records.get(name)
  }

  async #list(keyPrefix = ''): Promise<Pair[]> {
    const records = await this.#records.list(prefix + keyPrefix)
    return records.map(({ key, value }) => ({ key: new Key(key.slice(prefix.length)), value }))
  }

  #change(key: Key, value: Uint8Array | undefined): void {
    if (this.#closed) return
    const name = prefix + key.toString()
    if (name.startsWith(peerPrefix)) this.#notePeer(name, value)
    this.#waiting.set(name, value)
    if (this.#waiting.size >= maxWaiting) void this.flush()
    else this.#writes.later()
  }

  #notePeer(name: string, value: Uint8Array | undefined): void {
    this.#peers.delete(name)
    if (value === undefined) return
    this.#peers.add(name)
    this.#forgetPeers()
  }

  #forgetPeers(): void {
    for (const name of this.#peers) {
      if (this.#peers.size <= this.#maxPeers) return
      if (this.#isLinked(peerIdFromCID(CID.parse(name.slice(peerPrefix.length))).toString())) continue
      this.#peers.delete(name)
      this.#change(new Key(name.slice(prefix.length)), undefined)
    }
  }
}
