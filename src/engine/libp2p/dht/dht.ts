import { AsyncLocalStorage } from 'node:async_hooks'
import { type Connection, isPeerId, type PeerInfo, peerDiscoverySymbol, type Stream } from '@libp2p/interface'
import {
  type KadDHT,
  type KadDHTComponents,
  kadDHT,
  passthroughMapper,
  removePrivateAddressesMapper,
  removePublicAddressesMapper,
  type SingleKadDHT,
} from '@libp2p/kad-dht'
import type { Datastore } from 'interface-datastore'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import type { Limits } from '../../../limits.ts'
import type { Asker } from '../../asker.ts'
import type { Bodies, HeldBody } from '../../bodies.ts'
import type { DhtMode } from '../../settings.ts'
import type { Namespaces } from './dht-namespaces.ts'
import { createMessageCollector, toldAddresses } from './told-contacts.ts'

export const dhtModes = {
  lan: { protocol: '/ipfs/lan/kad/1.0.0', peerInfoMapper: removePublicAddressesMapper },
  private: { protocol: '/peergate/kad/1.0.0', peerInfoMapper: passthroughMapper },
  public: { protocol: '/ipfs/kad/1.0.0', peerInfoMapper: removePrivateAddressesMapper },
}

/** Requests under way of one lookup (Kademlia's α), and paths that it goes without sharing a peer (S/Kademlia, Baumgart and Mies 2007). */
const alpha = 3
/** Peers that were told and wait to be pinged before they come into the routing table. */
const maxWaitingPeers = 200
/** Peers that are told by others and remembered: so many at once, and so many a second. An answer names 20 when it is honest. */
const toldPeers = { perSecond: 50, burst: 500 }
/** Addresses that are remembered of one. */
const maxToldAddresses = 16
/** Keys of the DHT's records begin so. */
export const dhtPrefix = '/dht'

/** Who asked for what is being done now, while a request of the DHT is answered. */
export const asking = new AsyncLocalStorage<Asker>()

/**
 * kad-dht (https://github.com/libp2p/specs/tree/master/kad-dht) with what it leaves unbounded bounded: the bytes of a request and of an answer, the
 * peers that others tell, and, by its datastore, the records that others leave here.
 */
export function dhtService(
  init: { mode: DhtMode; isDialable: boolean; limits: Limits },
  components: {
    datastore: Datastore
    namespaces: Namespaces
    /** A connected peer has told where others are. */
    onTold(addresses: string[], peerId: string): void
    /** What requests hold until they are answered. */
    bodies: Bodies
    askerOf(connection: Connection): Asker
  },
): (libp2p: KadDHTComponents) => KadDHT {
  const { mode, isDialable, limits } = init
  const { validators, selectors } = components.namespaces
  return (libp2p) => {
    const dht = kadDHT({
      ...dhtModes[mode],
      // In the public network kad-dht itself finds out, by whether this node has a public address that others have confirmed.
      ...(mode === 'public' && isDialable ? {} : { clientMode: !isDialable }),
      validators,
      selectors,
      alpha,
      disjointPaths: alpha,
      datastorePrefix: dhtPrefix,
      maxInboundStreams: limits.maxDhtStreams,
      maxOutboundStreams: limits.maxDhtStreams,
      routingTableUpdateMaxQueueSize: maxWaitingPeers,
      pingNewContactMaxQueueSize: maxWaitingPeers,
      pingOldContactMaxQueueSize: maxWaitingPeers,
    })({
      peerId: libp2p.peerId,
      privateKey: libp2p.privateKey,
      addressManager: libp2p.addressManager,
      peerStore: libp2p.peerStore,
      events: libp2p.events,
      logger: libp2p.logger,
      ping: libp2p.ping,
      datastore: components.datastore,
      registrar: namingWhoAsks(libp2p.registrar, limits.maxDhtMessageBytes, components),
      connectionManager: boundingAnswers(libp2p.connectionManager, limits.maxDhtMessageBytes, components.onTold),
    })
    rememberTold(dht, libp2p)
    return dht
  }
}

/** libp2p would write down every peer that any answer names; a hostile one names thousands. */
function rememberTold(dht: KadDHT, { peerId, peerStore, logger }: KadDHTComponents): void {
  const log = logger.forComponent('peergate:dht')
  const bucket = createTokenBucket(toldPeers)
  if (!(dht instanceof EventTarget)) throw new Error('kad-dht emits no peer events')
  Object.defineProperty(dht, peerDiscoverySymbol, { value: undefined })
  dht.addEventListener('peer', (event) => {
    if (!(event instanceof CustomEvent)) return
    const { id, multiaddrs }: PeerInfo = event.detail
    if (id.equals(peerId) || multiaddrs.length === 0 || !bucket.take(performance.now())) return
    peerStore.merge(id, { multiaddrs: multiaddrs.slice(0, maxToldAddresses) }).catch((error: unknown) => log.error('%e', error))
  })
}

/** Runs each handler in the context of the peer that it answers, and counts what its requests hold. */
function namingWhoAsks(
  registrar: KadDHTComponents['registrar'],
  maxBytes: number,
  { bodies, askerOf }: { bodies: Bodies; askerOf(connection: Connection): Asker },
): KadDHTComponents['registrar'] {
  return overriding(registrar, {
    handle: (protocol, handler, options) =>
      registrar.handle(
        protocol,
        (stream, connection) => {
          const asker = askerOf(connection)
          countRequests(stream, maxBytes, (giveUp) => bodies.begin(asker, giveUp))
          return asking.run(asker, () => handler(stream, connection))
        },
        options,
      ),
  })
}

/**
 * Counts the bytes of a request as they come, until it is whole or something is answered: kad-dht reads up to 4 MiB for one. A request with
 * more than may be, or without room, ends its stream.
 */
function countRequests(stream: Stream, maxBytes: number, begin: (giveUp: () => void) => HeldBody | undefined): void {
  const end = (reason: string) => stream.abort(new Error(reason))
  let held: HeldBody | undefined
  let collect = createMessageCollector()
  let bytes = 0
  function handled(): void {
    held?.[Symbol.dispose]()
    held = undefined
    collect = createMessageCollector()
    bytes = 0
  }
  stream.addEventListener('message', ({ data }) => {
    held ??= begin(() => end('bodies of other peers need the memory'))
    bytes += data.byteLength
    if (bytes > maxBytes) end(`a DHT request exceeds ${maxBytes} bytes`)
    else if (held?.add(data.byteLength) !== true) end('bodies of this peer have reached its share of the memory')
    else if (collect(data.subarray()) !== undefined) handled()
  })
  stream.addEventListener('close', handled)
  const { send } = stream
  stream.send = (data) => {
    handled()
    return send.call(stream, data)
  }
}

/** Each request has a stream of its own; what comes back on it beyond the limit ends it. */
function boundingAnswers(
  manager: KadDHTComponents['connectionManager'],
  maxBytes: number,
  onTold: (addresses: string[], peerId: string) => void,
): KadDHTComponents['connectionManager'] {
  return overriding(manager, {
    async openStream(peer, protocol, options) {
      const stream = await manager.openStream(peer, protocol, options)
      const collect = createMessageCollector()
      let bytes = 0
      // Before kad-dht itself reads it, and dials.
      stream.addEventListener('message', ({ data }) => {
        bytes += data.byteLength
        if (bytes > maxBytes) {
          stream.abort(new Error(`a DHT answer exceeds ${maxBytes} bytes`))
          return
        }
        const answer = collect(data.subarray())
        if (answer !== undefined && isPeerId(peer)) onTold(toldAddresses(answer), peer.toString())
      })
      return stream
    },
  })
}

/** Number of peers in the routing table of a DHT. */
export function tableSize(dht: KadDHT): number {
  if (!isSingle(dht)) throw new Error('kad-dht has no readable routing table')
  return dht.routingTable.size
}

function isSingle(dht: KadDHT): dht is SingleKadDHT {
  return 'routingTable' in dht
}

/** A proxy of an object with some of its methods replaced. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      const own: unknown = Reflect.get(methods, name)
      if (own !== undefined) return own
      const inherited: unknown = Reflect.get(object, name)
      return typeof inherited === 'function' ? inherited.bind(object) : inherited
    },
  })
}
