import { randomBytes } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { DhtUnavailable } from '../../../errors.ts'
import type { Identity } from '../../../identity/identity.ts'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { maxRecordBytes } from '../../../model/dht-record.ts'
import type { RecordStore } from '../../../store/record-store.ts'
import { createDhtQuota } from '../../dht-quota.ts'
import { createRequestTurns } from '../../dht-request-turns.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import type { RequestHandler } from '../../engine.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { signOwnRecord } from '../../own-record.ts'
import type { FoundPeer, Routing } from '../../routing.ts'
import type { Handlers } from '../link/handlers.ts'
import type { Link } from '../link/link.ts'
import type { Links } from '../link/links.ts'
import { tellerOf } from '../link/teller-of.ts'
import { recordAddresses } from '../overlay/frames.ts'
import { createDhtNode, type DhtNode } from './dht-node.ts'
import { type Contact, type DhtAnswer, type DhtRequest, decodeAnswer, decodeRequest, encodeFrame } from './frames.ts'
import { createHoldings } from './holdings.ts'
import { defaultDhtLimits } from './limits.ts'
import { createRendezvous, type Rendezvous } from './rendezvous.ts'

/** The DHT on the links of the custom engine. It dials the peers that it asks, and keeps records in the database. */
export interface Dht {
  readonly routing: Routing
  start(): Promise<void>
  stop(): Promise<void>
  /** A peer is linked, or sent another hello. */
  linked(link: Link): void
}

export const dhtProtocol = '/peergate/dht/1.0.0'

export interface DhtComponents {
  identity: Identity
  records: RecordStore
  links: Links
  handlers: Handlers
  reached: LimitsReached
  /** A link to a peer, dialled unless it exists. @throws NotAsked when no link is wanted, Error when the dial fails */
  linkTo(contact: Contact, signal: AbortSignal): Promise<Link>
  /** A linked peer has told addresses of peers. */
  onTold(contacts: readonly Contact[], link: Link): void
  /** The addresses of this node, each with its peer id. */
  ownAddresses(): string[]
  /** Whether peers can dial this node, as far as it knows. Otherwise it serves no DHT requests. */
  isDialable(): boolean
  /** Topics that this node is subscribed to. */
  topics: ReadonlySet<string>
  /** The number of linked subscribers of a topic. */
  linkedSubscribers(topic: string): number
  onSubscribers(topic: string, peers: Contact[]): void
  /** The protocols in this node's hello have changed. */
  onChange(): void
  logger: Logger
  /** Milliseconds of the clock by which kept records age, over restarts too. */
  age: () => number
}

/** Maximum milliseconds of one request, the dial included. */
const askMs = 5_000
const tickMs = 1_000
/** A request is at most a record of the largest size, with its key. */
const handleOptions = { maxRequestBytes: maxRecordBytes + 8_192, maxConcurrent: 100 }

interface Running {
  node: DhtNode
  rendezvous: Rendezvous
  timer: NodeJS.Timeout
  stopping: AbortController
}

export function createDht(init: { limits: Limits }, components: DhtComponents): Dht {
  const { limits } = init
  const {
    identity,
    records,
    links,
    handlers,
    reached,
    linkTo,
    onTold,
    ownAddresses,
    isDialable,
    topics,
    linkedSubscribers,
    onSubscribers,
    onChange,
    logger,
  } = components
  const { age } = components
  const { peerId } = identity
  let running: Running | undefined
  let serving = false
  const turns = createRequestTurns()

  function node(): DhtNode {
    if (running === undefined) throw new DhtUnavailable('This gateway is not running.')
    return running.node
  }

  async function ask(contact: Contact, request: DhtRequest, signal: AbortSignal): Promise<DhtAnswer> {
    using deadline = createDeadline(askMs, [signal])
    const link = links.get(contact.peerId) ?? (await linkTo(contact, deadline.signal))
    const options = { signal: deadline.signal, maxAnswerBytes: limits.maxDhtMessageBytes }
    const answer = decodeAnswer(await link.request(dhtProtocol, encodeFrame(request), options))
    onTold([...(answer.closer ?? []), ...(answer.providers ?? [])], link)
    return answer
  }

  async function serveOne({ from, body, signal }: Parameters<RequestHandler>[0]): Promise<Uint8Array> {
    using _place = await turns.take(hostOf(from) ?? from, signal)
    const request = decodeRequest(body)
    const link = links.get(from)
    if (request.type === 'add-provider' && link !== undefined) onTold([{ peerId: from, multiaddrs: request.multiaddrs }], link)
    return encodeFrame(await node().answer(from, request))
  }

  function hostOf(other: string): string | undefined {
    const link = links.get(other)
    return link === undefined ? undefined : handlers.askerOf(other, tellerOf(link)).host
  }

  function serve(): void {
    const wanted = isDialable()
    if (wanted === serving) return
    serving = wanted
    if (serving) {
      handlers.set(dhtProtocol, serveOne, handleOptions)
    } else handlers.delete(dhtProtocol)
    onChange()
  }

  function onTick({ node: ticking, rendezvous }: Running): void {
    serve()
    const failed = (err: unknown) => logger.debug({ err }, 'a periodic task of the DHT failed')
    ticking.tick().catch(failed)
    rendezvous.tick().catch(failed)
  }

  /** Makes an iterable of an iteration that may fail at its start. */
  async function* through(start: () => AsyncIterable<FoundPeer>): AsyncGenerator<FoundPeer> {
    yield* start()
  }

  const routing: Routing = {
    async findPeer(other, options) {
      const link = links.get(other)
      if (link === undefined) return await node().findPeer(other, options)
      return { peerId: other, multiaddrs: link.view.multiaddrs.filter((address) => address.endsWith(`/p2p/${other}`)) }
    },
    closestPeers: (key, options) => through(() => node().closestPeers(key, options)),
    provide: async (cid, options) => await node().provide(cid, options),
    stopProviding: async (cid) => await node().stopProviding(cid),
    findProviders: (cid, options) => through(() => node().findProviders(cid, options)),
    put: async (key, record, options) => await node().put(key, record, options),
    async putOwn(name, value, options) {
      const running = node()
      const { key, record } = await signOwnRecord(identity, name, value)
      await running.put(key, record, options)
      return record
    },
    get: async (key, options) => await node().get(key, options),
  }

  return {
    routing,
    async start() {
      const quota = createDhtQuota({ limits }, { onRefused: () => reached.note('dht_record') })
      const holdings = createHoldings({ limits: defaultDhtLimits }, { records, quota, hostOf, now: age })
      await holdings.load()
      const started = createDhtNode(
        { peerId, limits: defaultDhtLimits, timeoutMs: limits.dhtTimeoutMs },
        {
          holdings,
          ask,
          now: age,
          random: Math.random,
          randomBytes,
          deadline: (ms, signals) => createDeadline(ms, [stopping.signal, ...signals]),
          ownAddresses: () => recordAddresses(ownAddresses()),
          networkOf,
        },
      )
      const stopping = new AbortController()
      const rendezvous = createRendezvous({
        node: started,
        topics,
        linked: linkedSubscribers,
        onSubscribers,
        now: age,
        signal: stopping.signal,
      })
      const timer = setInterval(() => running !== undefined && onTick(running), tickMs)
      running = { node: started, rendezvous, timer, stopping }
      serve()
    },
    async stop() {
      if (running === undefined) return
      clearInterval(running.timer)
      running.stopping.abort(new DhtUnavailable('This gateway is stopping.'))
      running = undefined
      serving = false
      handlers.delete(dhtProtocol)
    },
    linked(link) {
      if (link.isRelayed || !link.hello.protocols.includes(dhtProtocol)) return
      const multiaddrs = link.hello.multiaddrs.filter((address) => address.endsWith(`/p2p/${link.peerId}`))
      running?.node.connected({ peerId: link.peerId, multiaddrs: recordAddresses(multiaddrs) })
    },
  }

  /** The network of a peer on the public Internet in which one owner may have many addresses: a /24, or an IPv6 /48. */
  function networkOf(contact: Contact): string | undefined {
    const address = links.get(contact.peerId)?.remote ?? contact.multiaddrs[0]
    const ip = address === undefined ? undefined : multiaddr(address).getComponents()[0]?.value
    if (ip === undefined || !isPublicAddress(ip)) return undefined
    return isIPv6(ip) ? ip.split(':').slice(0, 3).join(':') : ip.split('.').slice(0, 3).join('.')
  }
}
