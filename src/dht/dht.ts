import type { Routing } from '../engine/routing.ts'
import { DhtTimeout, InvalidRecord } from '../errors.ts'
import { createDeadline, type Deadline } from '../lib/deadline.ts'
import type { Limits } from '../limits.ts'
import { type DhtKey, immutableKey, openOwnRecord, parseDhtKey } from '../model/dht-record.ts'
import type { DhtValue, FoundPeerView } from '../model/dht-value.ts'
import { type Encoding, encodePayload } from '../model/payload.ts'

/**
 * The DHT for clients. Takes and returns the data of values, and signs records that this gateway owns. Does not own the
 * routing, which is the engine's. Every method throws DhtDisabled when the DHT is off.
 */
export interface Dht {
  /** @throws RecordNotFound, InvalidRecord, DhtNamespaceUnsupported, DhtUnavailable, DhtTimeout */
  get(key: string, options: DhtOptions & { encoding?: Encoding | undefined }): Promise<DhtValue>
  /**
   * Stores data. Without a key: under its hash. Under a name of this gateway: as a signed record. Otherwise the data
   * must be the record that proves its key.
   * @throws InvalidRecord, RecordOutdated, DhtNamespaceUnsupported, DhtRefused, DhtUnavailable, DhtTimeout
   */
  put(key: string | undefined, data: Uint8Array, options: DhtOptions): Promise<DhtValue>
  /** @throws PeerNotFound, DhtUnavailable, DhtTimeout */
  findPeer(peerId: string, options: DhtOptions): Promise<FoundPeerView>
  /** Yields providers as they are found, up to `limit` or the timeout. @throws InvalidCid, DhtUnavailable */
  findProviders(cid: string, options: ListOptions): AsyncIterable<FoundPeerView>
  closestPeers(key: Uint8Array, options: ListOptions): AsyncIterable<FoundPeerView>
  /** @throws InvalidCid, DhtRefused, DhtUnavailable, DhtTimeout */
  provide(cid: string, options: DhtOptions): Promise<void>
  /** @throws InvalidCid */
  stopProviding(cid: string): Promise<void>
}

export interface DhtOptions {
  signal: AbortSignal
  /** Milliseconds; default and maximum `dhtTimeoutMs`. */
  timeoutMs?: number | undefined
}

export interface ListOptions extends DhtOptions {
  limit: number
}

export function createDht(init: { limits: Pick<Limits, 'dhtTimeoutMs'>; peerId: string }, components: { routing: Routing }): Dht {
  const { limits, peerId } = init
  const { routing } = components

  function deadlineOf({ signal, timeoutMs = limits.dhtTimeoutMs }: DhtOptions): Deadline {
    return createDeadline(Math.min(timeoutMs, limits.dhtTimeoutMs), [signal])
  }

  function isLate(error: unknown, { isOver, signal }: Deadline): boolean {
    return isOver && error === signal.reason
  }

  async function within<Result>(options: DhtOptions, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    using deadline = deadlineOf(options)
    try {
      return await work(deadline.signal)
    } catch (error) {
      if (!isLate(error, deadline)) throw error
      throw new DhtTimeout('The DHT did not answer in time. Requests that were sent may still take effect.', { cause: error })
    }
  }

  async function* list(options: ListOptions, start: (signal: AbortSignal) => AsyncIterable<FoundPeerView>): AsyncGenerator<FoundPeerView> {
    using deadline = deadlineOf(options)
    let found = 0
    try {
      for await (const peer of start(deadline.signal)) {
        yield peer
        if (++found >= options.limit) return
      }
    } catch (error) {
      if (!isLate(error, deadline)) throw error
    }
  }

  async function view(text: string, key: DhtKey, record: Uint8Array, encoding?: Encoding): Promise<DhtValue> {
    const nobody = { owner: null, sequence: null, issuedAt: null, record: null }
    if (key.namespace !== 'own') return { key: text, ...encodePayload(record, encoding), ...nobody }
    const { owner, sequence, issuedAt, value } = await openOwnRecord(key, record)
    return {
      key: text,
      ...encodePayload(value, encoding),
      owner,
      sequence: String(sequence),
      issuedAt: new Date(issuedAt).toISOString(),
      record: Buffer.from(record).toString('base64'),
    }
  }

  return {
    async get(text, { encoding, ...options }) {
      const key = parseDhtKey(text)
      return await view(text, key, await within(options, (signal) => routing.get(text, { signal })), encoding)
    },
    async put(text, data, options) {
      const named = text ?? immutableKey(data)
      const key = parseDhtKey(named)
      if (key.namespace === 'own' && key.owner === peerId) {
        const record = await within(options, (signal) => routing.putOwn(key.name, data, { signal }))
        return await view(named, key, record)
      }
      if (key.namespace === 'imm' && named !== immutableKey(data)) throw new InvalidRecord('The key is not the hash of the data.')
      await within(options, (signal) => routing.put(named, data, { signal }))
      return await view(named, key, data)
    },
    findPeer: (other, options) => within(options, (signal) => routing.findPeer(other, { signal })),
    findProviders: (cid, options) => list(options, (signal) => routing.findProviders(cid, { signal })),
    closestPeers: (key, options) => list(options, (signal) => routing.closestPeers(key, { signal })),
    provide: (cid, options) => within(options, (signal) => routing.provide(cid, { signal })),
    stopProviding: (cid) => routing.stopProviding(cid),
  }
}
