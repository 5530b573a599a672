import { AsyncLocalStorage } from 'node:async_hooks'
import { type Connection, isPeerId, type PeerId, type PeerInfo, peerDiscoverySymbol, type Stream } from '@libp2p/interface'
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
import { plainAddress, providerNetwork } from '../../../lib/ip-network.ts'
import { overriding } from '../../../lib/overriding.ts'
import { createQueue } from '../../../lib/queue.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import type { Limits } from '../../../limits.ts'
import type { Asker } from '../../asker.ts'
import type { Bodies, HeldBody } from '../../bodies.ts'
import { createRequestTurns } from '../../dht-request-turns.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import type { DhtMode } from '../../settings.ts'
import { tellerOf } from '../teller-of.ts'
import type { Namespaces } from './dht-namespaces.ts'
import { boundNetworks } from './table-networks.ts'
import { addressTexts, boundContacts } from './told-contacts.ts'
import { handOnWhole } from './whole-messages.ts'

export const dhtModes = {
  lan: { protocol: '/ipfs/lan/kad/1.0.0', peerInfoMapper: removePublicAddressesMapper },
  private: { protocol: '/peergate/kad/1.0.0', peerInfoMapper: passthroughMapper },
  public: { protocol: '/ipfs/kad/1.0.0', peerInfoMapper: removePrivateAddressesMapper },
}

/**
 * Concurrent requests of one lookup (Kademlia's α), and number of its disjoint paths (S/Kademlia, Baumgart and Mies
 * 2007).
 */
const alpha = 3
/** Maximum learnt peers that wait for a ping before they enter the routing table. */
const maxWaitingPeers = 200
/** Rate of peers learnt from others that are remembered. An honest answer names 20. */
const toldPeers = { perSecond: 50, burst: 500 }
/** Maximum remembered addresses of one learnt peer. */
const maxToldAddresses = 16
/** An honest answer has 20 closer peers, and the one that was searched for. */
const maxInAnswer = { closer: 24, providers: 48, addresses: 24 }
/** A provider announces itself: of the others kad-dht would parse the addresses, and of one named twice write both. */
const maxInRequest = { closer: 0, providers: 1, addresses: 24 }
/** As Kubo has it for the DHT of IPFS. A smaller DHT may have all of its peers at one provider. */
const maxInPublicTable = { perPrefix: 2, inAll: 3 }
const maxInTable = { perPrefix: 2, inAll: Number.POSITIVE_INFINITY }
/** Prefix of the keys of DHT records. */
export const dhtPrefix = '/dht'

/** The peer whose DHT request is being answered in the current context. */
export const asking = new AsyncLocalStorage<
  Asker & {
    /** Fires when the stream of the request ends. */
    signal?: AbortSignal
    /** The request has been handled. */
    handled?(): void
  }
>()

/**
 * kad-dht (https://github.com/libp2p/specs/tree/master/kad-dht) with the bounds that it lacks: on the bytes of a
 * request and an answer, on the rate of requests, on learnt peers, and, in its datastore, on records that other peers store here.
 */
export function dhtService(
  init: { mode: DhtMode; isDialable: boolean; limits: Limits },
  components: {
    datastore: Datastore
    namespaces: Namespaces
    /** A connected peer has told addresses of other peers. */
    onTold(addresses: string[], peerId: string): void
    /** The memory that requests hold until they are answered. */
    bodies: Bodies
    askerOf(connection: Connection): Asker
  },
): (libp2p: KadDHTComponents) => KadDHT {
  const { mode, isDialable, limits } = init
  const { validators, selectors } = components.namespaces
  return (libp2p) => {
    const dht = kadDHT({
      ...dhtModes[mode],
      // In the public network kad-dht decides by itself: it serves once other peers have confirmed a public address.
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
    boundNetworks(tableOf(dht), mode === 'public' ? maxInPublicTable : maxInTable, (peerId) => publicNetworkOf(libp2p, peerId))
    answerInTurns(dht)
    return dht
  }
}

/**
 * Limits the learnt peers that are stored: libp2p would store every peer of any answer, and a hostile one names
 * thousands.
 */
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

const never = new AbortController().signal

/** kad-dht by itself answers whatever has arrived before anything else runs. */
function answerInTurns(dht: KadDHT): void {
  const turns = createRequestTurns()
  const rpc: { handleMessage?(from: unknown, message: unknown): Promise<unknown> } | undefined = Reflect.get(dht, 'rpc')
  const handleMessage = rpc?.handleMessage
  if (rpc === undefined || handleMessage === undefined) throw new Error('kad-dht handles requests in another way')
  rpc.handleMessage = async (from, message) => {
    const { host = '', signal = never, handled } = asking.getStore() ?? {}
    try {
      using _place = await turns.take(host, signal)
      return await handleMessage.call(rpc, from, message)
    } finally {
      handled?.()
    }
  }
}

/** Runs each handler in the context of the requesting peer, and counts the memory of its requests. */
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
          const handled = countRequests(stream, maxBytes, (giveUp) => bodies.begin(asker, giveUp))
          const ended = new AbortController()
          stream.addEventListener('close', () => ended.abort(new Error('the stream has ended')))
          return asking.run({ ...asker, signal: ended.signal, handled }, () => handler(stream, connection))
        },
        options,
      ),
  })
}

/**
 * Counts the bytes of requests from their arrival until they are handled: kad-dht reads up to 4 MiB of a stream, whether
 * it is one request or many that wait for each other. A request over the limit, or without room, ends its stream.
 * Returns a function to be called when the oldest request has been handled.
 */
function countRequests(stream: Stream, maxBytes: number, begin: (giveUp: () => void) => HeldBody | undefined): () => void {
  let arriving: HeldBody | undefined
  const waiting = createQueue<HeldBody>()
  function count(bytes: number, there?: HeldBody): HeldBody {
    const held = there ?? begin(() => stream.abort(new Error('bodies of other peers need the memory')))
    if (held?.add(bytes) !== true) throw new Error('bodies of this peer have reached its share of the memory')
    return held
  }
  function handled(): void {
    waiting.shift()?.[Symbol.dispose]()
  }
  function arrived(): void {
    arriving?.[Symbol.dispose]()
    arriving = undefined
  }
  handOnWhole(
    stream,
    { maxBytes },
    {
      onBytes(bytes) {
        arriving = count(bytes, arriving)
      },
      take(request) {
        const { message } = boundContacts(request, maxInRequest)
        waiting.push(count(message.length))
        return message
      },
      onTaken(left) {
        arrived()
        if (left > 0) arriving = count(left)
      },
    },
  )
  stream.addEventListener('close', () => {
    arrived()
    while (waiting.size > 0) handled()
  })
  return handled
}

/** Bounds answers: each request has its own stream, which ends when the answer exceeds the limit. */
function boundingAnswers(
  manager: KadDHTComponents['connectionManager'],
  maxBytes: number,
  onTold: (addresses: string[], peerId: string) => void,
): KadDHTComponents['connectionManager'] {
  return overriding(manager, {
    async openStream(peer, protocol, options) {
      const stream = await manager.openStream(peer, protocol, options)
      // Before kad-dht reads the answer and dials.
      function take(answer: Uint8Array): Uint8Array {
        const { message, addresses } = boundContacts(answer, maxInAnswer)
        if (isPeerId(peer)) onTold(addressTexts(addresses), peer.toString())
        return message
      }
      handOnWhole(stream, { maxBytes }, { take })
      return stream
    },
  })
}

/** The network of a connected peer, or of the relay to it; undefined for an address that is not public. */
function publicNetworkOf({ connectionManager }: KadDHTComponents, peerId: PeerId): string | undefined {
  const [connection] = connectionManager.getConnections(peerId)
  const ip = connection === undefined ? '' : tellerOf(connection).ip
  return isPublicAddress(ip) ? providerNetwork(plainAddress(ip)) : undefined
}

/** The routing table of a DHT, which emits `peer:add`. */
export function tableOf(dht: KadDHT): SingleKadDHT['routingTable'] & EventTarget {
  if (!isSingle(dht) || !(dht.routingTable instanceof EventTarget)) throw new Error('kad-dht has no readable routing table')
  return dht.routingTable
}

function isSingle(dht: KadDHT): dht is SingleKadDHT {
  return 'routingTable' in dht
}
