import type { KadDHT, QueryEvent } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { DhtRefused, DhtUnavailable, InvalidRecord, PeerNotFound, RecordNotFound, RecordOutdated } from '../../../errors.ts'
import type { Identity } from '../../../identity/identity.ts'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { parseCid } from '../../cid.ts'
import { isCircuitAddress } from '../../dial/circuit-address.ts'
import { withoutPeerId } from '../../dial/endpoint.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import { signOwnRecord } from '../../own-record.ts'
import type { FoundPeer, Routing } from '../../routing.ts'
import type { Namespaces } from './dht-namespaces.ts'

export interface RoutingComponents {
  /** The running node's DHT and the number of peers in its table; undefined while no node runs. */
  dht(): { dht: KadDHT; size: number } | undefined
  /** The addresses known from a link to the peer, if there is one. */
  linked(peerId: string): FoundPeer | undefined
  namespaces: Namespaces
  identity: Identity
}

/** The Routing contract on kad-dht. */
export function createRouting(init: { limits: Limits }, components: RoutingComponents): Routing {
  const { linked, namespaces, identity } = components

  function dht(): KadDHT {
    const found = components.dht()
    if (found === undefined) throw new DhtUnavailable('This gateway is not running.')
    if (found.size === 0) throw new DhtUnavailable('This gateway knows no DHT peer yet.')
    return found.dht
  }

  /** The events of a query until the deadline; finding nothing is no error here. */
  async function* query(start: (signal: AbortSignal) => AsyncIterable<QueryEvent>, signal: AbortSignal): AsyncGenerator<QueryEvent> {
    signal.throwIfAborted()
    using deadline = createDeadline(init.limits.dhtTimeoutMs, [signal])
    try {
      yield* start(deadline.signal)
    } catch (cause) {
      signal.throwIfAborted()
      if (!deadline.isOver && !(cause instanceof Error && cause.name === 'NotFoundError')) throw cause
    }
  }

  async function check(key: Uint8Array, record: Uint8Array): Promise<void> {
    const [, namespace = ''] = Buffer.from(key).toString().split('/')
    const validate = { ...dht().validators, ...namespaces.validators }[namespace]
    try {
      await validate?.(key, record)
    } catch (cause) {
      if (cause instanceof InvalidRecord) throw cause
      throw new InvalidRecord(`The record does not prove its key: ${cause instanceof Error ? cause.message : cause}.`, { cause })
    }
  }

  async function best(key: Uint8Array, records: Uint8Array[]): Promise<Uint8Array | undefined> {
    const [, namespace = ''] = Buffer.from(key).toString().split('/')
    const select = namespaces.selectors[namespace]
    return records[records.length > 1 && select !== undefined ? await select(key, records) : 0]
  }

  /**
   * The best record found. kad-dht fails when it cannot correct a peer that had an older one, so the peers' answers are
   * examined too.
   */
  async function find(key: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const node = dht()
    const records: Uint8Array[] = []
    try {
      for await (const event of query((until) => node.get(key, { signal: until }), signal)) {
        if (event.name === 'VALUE') return event.value
        if (event.name === 'PEER_RESPONSE' && event.record !== undefined) records.push(event.record.value)
      }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof Error && error.name === 'QueryError')) throw error
    }
    const valid: Uint8Array[] = []
    for (const record of records)
      await check(key, record).then(
        () => valid.push(record),
        () => undefined,
      )
    return await best(key, valid)
  }

  async function put(text: string, record: Uint8Array, { signal }: { signal: AbortSignal }): Promise<void> {
    const key = namespaces.keyBytes(text)
    const node = dht()
    await check(key, record)
    const there = await find(key, signal)
    if (there !== undefined && (await best(key, [record, there])) === there && Buffer.compare(record, there) !== 0) {
      throw new RecordOutdated('A newer record exists under this key.')
    }
    let taken = 0
    for await (const event of query((until) => node.put(key, record, { signal: until }), signal)) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') taken++
    }
    if (taken === 0) throw new DhtRefused('No peer accepted the record.')
  }

  return {
    async findPeer(peerId, { signal }) {
      const there = linked(peerId)
      // Of one that has dialled this node nothing may be known yet.
      if (there !== undefined && there.multiaddrs.length > 0) return there
      const node = dht()
      const target = peerIdFromString(peerId)
      // What peers said earlier may be from before the peer had these addresses.
      const lookup = query((until) => node.findPeer(target, { signal: until, useCache: false }), signal)
      const found = new Set<string>()
      for await (const event of lookup) {
        if (event.name !== 'FINAL_PEER') continue
        const { multiaddrs } = foundPeer(event.peer)
        if (multiaddrs.some(leadsAnywhere)) return { peerId, multiaddrs }
        for (const address of multiaddrs) found.add(address)
      }
      if (found.size === 0 && there === undefined) throw new PeerNotFound('No queried peer knows this peer.')
      return { peerId, multiaddrs: [...found] }
    },
    async *closestPeers(key, { signal }) {
      const node = dht()
      for await (const event of query((until) => node.getClosestPeers(key, { signal: until }), signal)) {
        if (event.name === 'FINAL_PEER') yield foundPeer(event.peer)
      }
    },
    async provide(cid, { signal }) {
      const content = parseCid(cid)
      const node = dht()
      let told = 0
      for await (const event of query((until) => node.provide(content, { signal: until }), signal)) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') told++
      }
      if (told === 0) throw new DhtRefused('No peer accepted the announcement yet; it is repeated later.')
    },
    async stopProviding(cid) {
      const content = parseCid(cid)
      await components.dht()?.dht.cancelReprovide(content)
    },
    async *findProviders(cid, { signal }) {
      const content = parseCid(cid)
      const node = dht()
      const seen = new Set<string>()
      for await (const event of query((until) => node.findProviders(content, { signal: until }), signal)) {
        if (event.name !== 'PROVIDER') continue
        for (const provider of event.providers.map(foundPeer)) {
          if (seen.has(provider.peerId)) continue
          seen.add(provider.peerId)
          yield provider
        }
      }
    },
    put,
    async putOwn(name, value, options) {
      const { key, record } = await signOwnRecord(identity, name, value)
      await put(key, record, options)
      return record
    },
    async get(text, { signal }) {
      const found = await find(namespaces.keyBytes(text), signal)
      if (found === undefined) throw new RecordNotFound('No queried peer has a record under this key.')
      return found
    },
  }
}

/** Whether an address can be dialled from any network: those of private ones are a second choice. */
function leadsAnywhere(text: string): boolean {
  const address = multiaddr(text)
  const [host] = address.getComponents()
  return isCircuitAddress(address) || host?.name.startsWith('dns') === true || isPublicAddress(host?.value ?? '')
}

function foundPeer({ id, multiaddrs }: { id: { toString(): string }; multiaddrs: Multiaddr[] }): FoundPeer {
  const peerId = id.toString()
  // One may be known with and without the id.
  return { peerId, multiaddrs: [...new Set(multiaddrs.map((address) => `${withoutPeerId(address)}/p2p/${peerId}`))] }
}
