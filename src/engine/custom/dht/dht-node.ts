import {
  DhtNamespaceUnsupported,
  DhtQuotaReached,
  DhtRefused,
  DhtUnavailable,
  PeerNotFound,
  RecordNotFound,
  RecordOutdated,
} from '../../../errors.ts'
import type { Deadline } from '../../../lib/deadline.ts'
import { type DhtKey, parseDhtKey, replaces, validateRecord } from '../../../model/dht-record.ts'
import { parseCid } from '../../cid.ts'
import { nameOf, type Place, placeOf, placeOfPeer, placeOfTopic } from '../../key-space.ts'
import type { FoundPeer, Routing } from '../../routing.ts'
import { createAnswers } from './answers.ts'
import { feed } from './feed.ts'
import type { Contact, DhtAnswer, DhtRequest } from './frames.ts'
import type { Holdings } from './holdings.ts'
import type { DhtNodeLimits } from './limits.ts'
import { type LookupResult, lookUp } from './lookup.ts'
import { createRoutingTable, type RoutingTable } from './routing-table.ts'
import { createUpkeep } from './upkeep.ts'

/**
 * A node of the DHT of the custom engine: Kademlia (Maymounkov and Mazières 2002) with disjoint paths (S/Kademlia).
 * Owns no socket and no clock. A node that can't be dialled sends requests but serves none.
 */
export interface DhtNode extends Omit<Routing, 'putOwn'> {
  /** Answers a request of a linked peer. @throws Error when the peer exceeds its rate limit */
  answer(from: string, request: DhtRequest): Promise<DhtAnswer>
  /** A peer that serves DHT requests is linked. */
  connected(contact: Contact): void
  /** Finds subscribers of a topic, and announces this node as one. */
  meet(topic: string, options: { signal: AbortSignal }): Promise<Contact[]>
  /**
   * Does what is due: looks up its own place, refreshes buckets, republishes records and provider entries. Call it
   * about every second.
   */
  tick(): Promise<void>
  /** A lookup, for the simulator. */
  lookUp(place: Place, signal: AbortSignal): Promise<LookupResult>
  readonly table: RoutingTable
}

export interface DhtNodeInit {
  peerId: string
  limits: DhtNodeLimits
  /** Maximum milliseconds of a lookup. */
  timeoutMs: number
}

export interface DhtNodeComponents {
  holdings: Holdings
  /** @throws Error when the peer does not answer in time, NotAsked when it was not asked */
  ask(contact: Contact, request: DhtRequest, signal: AbortSignal): Promise<DhtAnswer>
  now(): number
  /** In [0, 1). */
  random(): number
  randomBytes(count: number): Uint8Array
  deadline(ms: number, signals: AbortSignal[]): Deadline
  /** The addresses of this node, each with its peer id. */
  ownAddresses(): string[]
  networkOf(contact: Contact): string | undefined
}

export function createDhtNode(init: DhtNodeInit, components: DhtNodeComponents): DhtNode {
  const { peerId, limits, timeoutMs } = init
  const { holdings, ask, now, random, randomBytes, deadline, ownAddresses, networkOf } = components
  const table = createRoutingTable({ peerId, limits }, { now, networkOf })
  const answers = createAnswers({ limits }, { table, holdings, now, random })
  const upkeep = createUpkeep(
    { peerId, limits, timeoutMs },
    { table, holdings, closestTo, tell, announce, now, random, randomBytes, deadline, ownAddresses },
  )

  function requireSomebody(): void {
    if (table.size === 0) throw new DhtUnavailable('This gateway knows no DHT peer yet.')
  }

  /** Sends one request to ever closer peers. */
  async function search(
    place: Place,
    request: DhtRequest,
    signal: AbortSignal,
    onAnswer: (contact: Contact, answer: DhtAnswer) => boolean | Promise<boolean> = () => false,
  ): Promise<LookupResult> {
    signal.throwIfAborted()
    using limit = deadline(timeoutMs, [signal])
    const result = await lookUp(
      { target: place, limits, start: table.closest(place, limits.k), self: peerId },
      {
        async ask(contact) {
          try {
            const answer = await ask(contact, request, limit.signal)
            table.seen(contact)
            return answer
          } catch (error) {
            if (!(error instanceof Error && error.name === 'NotAsked') && !limit.signal.aborted) table.failed(contact.peerId)
            throw error
          }
        },
        onAnswer,
        signal: limit.signal,
      },
    )
    signal.throwIfAborted()
    table.lookedUp(place)
    return result
  }

  function closestTo(place: Place, signal: AbortSignal): Promise<LookupResult> {
    return search(place, { type: 'find-node', place }, signal)
  }

  /** Sends one request to all contacts; returns the answers that arrive. */
  async function tell(contacts: Contact[], request: DhtRequest, signal: AbortSignal): Promise<DhtAnswer[]> {
    const answers = await Promise.allSettled(contacts.map((contact) => ask(contact, request, signal)))
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  }

  async function announce(place: Place, signal: AbortSignal): Promise<number> {
    const { closest } = await closestTo(place, signal)
    const multiaddrs = ownAddresses().slice(0, limits.maxAddresses)
    const answers = await tell(closest, { type: 'add-provider', place, multiaddrs }, signal)
    return answers.filter(({ refused }) => refused === undefined).length
  }

  function findAt(place: Place, signal: AbortSignal): AsyncGenerator<FoundPeer> {
    return feed<FoundPeer>(async (push, stop) => {
      const found = new Set<string>([peerId])
      const take = (providers: Contact[]) => {
        for (const provider of providers) {
          if (found.has(provider.peerId)) continue
          found.add(provider.peerId)
          push(provider)
        }
      }
      take(holdings.providers(nameOf(place)))
      await search(place, { type: 'get-providers', place }, AbortSignal.any([signal, stop]), (_contact, { providers = [] }) => {
        take(providers.map(namingItself))
        return false
      })
    })
  }

  /** The best valid record among those found and this node's own. */
  async function find(text: string, key: DhtKey, signal: AbortSignal): Promise<Uint8Array | undefined> {
    let best = (await holdings.value(text))?.record
    if (best !== undefined && key.namespace === 'imm') return best
    await search(placeOf(Buffer.from(text)), { type: 'get-value', key: text }, signal, async (_contact, { record }) => {
      if (record === undefined) return false
      try {
        await validateRecord(key, record)
      } catch {
        return false
      }
      if (best === undefined || (await replaces(key, record, best))) best = record
      return key.namespace === 'imm'
    })
    return best
  }

  return {
    table,
    lookUp: closestTo,
    connected: (contact) => table.seen(contact),
    answer: answers.answer,
    async findPeer(target, { signal }) {
      requireSomebody()
      const place = placeOfPeer(target)
      /** Addresses with the number of peers that told them. Addresses at which the peer itself answered come first. */
      const addresses = new Map<string, number>()
      const note = (contacts: Contact[], weight: number) => {
        for (const contact of contacts) {
          if (contact.peerId !== target) continue
          for (const address of namingItself(contact).multiaddrs) addresses.set(address, (addresses.get(address) ?? 0) + weight)
        }
      }
      const known = table.get(target)
      if (known !== undefined) note([known], 1)
      note(holdings.someProviders(nameOf(place), limits.maxProviders, random), 1)
      await search(place, { type: 'get-providers', place }, signal, (contact, { closer = [], providers = [] }) => {
        note([...closer, ...providers], 1)
        if (contact.peerId === target) note([contact], limits.k)
        return contact.peerId === target
      })
      if (addresses.size === 0) throw new PeerNotFound('No queried peer knows this peer.')
      const sorted = [...addresses].sort(([, a], [, b]) => b - a).map(([address]) => address)
      return { peerId: target, multiaddrs: sorted.slice(0, limits.maxAddresses) }
    },
    async *closestPeers(key, { signal }) {
      requireSomebody()
      const { closest } = await closestTo(placeOf(key), signal)
      yield* closest
    },
    async provide(cid, { signal }) {
      const place = placeOfCid(cid)
      requireSomebody()
      if (!holdings.provided.has(nameOf(place)) && holdings.provided.size >= limits.maxProvided) {
        throw new DhtQuotaReached(`This gateway provides ${limits.maxProvided} contents, which is the maximum.`)
      }
      await holdings.provide(nameOf(place))
      if ((await announce(place, signal)) === 0) throw new DhtRefused('No peer accepted the announcement yet; it is repeated later.')
    },
    async stopProviding(cid) {
      await holdings.stopProviding(nameOf(placeOfCid(cid)))
    },
    async *findProviders(cid, { signal }) {
      const place = placeOfCid(cid)
      requireSomebody()
      yield* findAt(place, signal)
    },
    async put(text, record, { signal }) {
      const key = knownKey(text)
      requireSomebody()
      await holdings.keepValue(text, record, { from: undefined, putAt: now() })
      const { closest } = await closestTo(placeOf(Buffer.from(text)), signal)
      const answers = await tell(closest, { type: 'put-value', key: text, record, ageMs: 0 }, signal)
      if (key.namespace === 'own' && answers.some(({ refused }) => refused === 'outdated')) {
        throw new RecordOutdated('A newer record exists under this key.')
      }
      if (!answers.some(({ refused }) => refused === undefined)) throw new DhtRefused('No peer accepted the record.')
    },
    async get(text, { signal }) {
      const key = knownKey(text)
      requireSomebody()
      const found = await find(text, key, signal)
      if (found === undefined) throw new RecordNotFound('No queried peer has a record under this key.')
      return found
    },
    async meet(topic, { signal }) {
      requireSomebody()
      const place = placeOfTopic(topic)
      const found: Contact[] = []
      for await (const peer of findAt(place, signal)) found.push(peer)
      await announce(place, signal)
      return found
    },
    tick: upkeep.tick,
  }
}

function namingItself({ peerId, multiaddrs }: Contact): Contact {
  return { peerId, multiaddrs: multiaddrs.filter((address) => address.endsWith(`/p2p/${peerId}`)) }
}

function knownKey(text: string): DhtKey {
  const key = parseDhtKey(text)
  if (key.namespace === 'other') {
    throw new DhtNamespaceUnsupported(`The DHT of the custom engine supports /peergate/imm and /peergate/own, not /${key.name}.`)
  }
  return key
}

function placeOfCid(text: string): Place {
  return placeOf(parseCid(text).multihash.bytes)
}
