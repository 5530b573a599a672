import { randomBytes } from 'node:crypto'
import { RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import type { Connection, Peer } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createRunningTime } from '../../../lib/running-time.ts'
import type { Limits } from '../../../limits.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { isCircuitAddress, relayOf } from '../../dial/circuit-address.ts'
import { withoutPeerId } from '../../dial/endpoint.ts'
import type { DialPolicy } from '../../dial/policy.ts'
import type { ConnectedPeer } from '../../engine.ts'
import { isDirect } from '../../reach/link-path.ts'
import type { FoundPeer, Routing } from '../../routing.ts'
import type { DialledAt } from '../dialled-at.ts'
import type { Node } from '../node.ts'
import type { WantedLinks } from '../wanted-links.ts'
import { createLostCircuits } from './lost-circuits.ts'
import { createRelayClient, type RelayClient } from './relay-client.ts'
import { createRelayKeeper, type RelayNeed } from './relay-keeper.ts'
import { createRelaySearch } from './relay-search.ts'

/** The relays through which others reach this node while it cannot be dialled. */
export interface Relays extends Pick<RelayClient, 'offered'> {
  start(): void
  stop(): Promise<void>
  /** Links, or the need for relays, have changed. */
  look(): void
  /** A connection has ended. */
  closed(connection: Connection): void
  /** The last link to a peer has ended. */
  gone(peerId: string): void
  /** By peer id. */
  readonly all: string[]
}

/** Milliseconds between two looks at what is due. */
const lookMs = 2_000
/** Addresses of a peer that are dialled. */
const maxAddresses = 3

export function createRelays(
  init: { peerId: string; limits: Pick<Limits, 'dialTimeoutMs'> },
  components: {
    node(): Node | undefined
    need(): RelayNeed
    peers(node: Node): ConnectedPeer[]
    wanted: Pick<WantedLinks, 'dial' | 'isWanted' | 'isSettled'>
    routing: Pick<Routing, 'closestPeers' | 'findPeer'>
    policy: Pick<DialPolicy, 'mayTell'>
    dialledAt: Pick<DialledAt, 'of'>
    /** Announces these addresses through relays, and no longer those of an earlier call. */
    announce(addresses: string[]): void
    logger: Logger
  },
): Relays {
  const { node, need, peers, wanted, routing, announce, logger } = components
  const { isWanted, isSettled } = wanted
  const now = () => performance.now()
  const runningTime = createRunningTime()
  const client = createRelayClient({ peerId: init.peerId, timeoutMs: init.limits.dialTimeoutMs }, components)
  const keeper = createRelayKeeper({
    need,
    speaking,
    reserve: (peerId) => client.reserve(directTo(peerId), stopping.signal),
    prove: (peerId) => client.prove(directTo(peerId), stopping.signal),
    onChange: () => announce(keeper.addresses),
    logger,
    now,
    ranSince: runningTime.since,
  })
  const search = createRelaySearch({
    isMissing: () => keeper.isMissing && !stopping.signal.aborted,
    known,
    lookUp: () => routing.closestPeers(randomBytes(32), { signal: stopping.signal }),
    isWanted: (peerId) => isWanted(peerId) && keeper.mayAsk(peerId),
    tryOne,
    now,
  })
  const lostCircuits = createLostCircuits({
    isLinked: (peerId) => connectionsTo(peerId).length > 0,
    isSettled,
    isWanted,
    known: addressesOf,
    find: async (peerId, signal) => (await routing.findPeer(peerId, { signal })).multiaddrs,
    dial,
    logger,
  })
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined

  function speaking(): string[] {
    const running = node()
    if (running === undefined) return []
    return peers(running).flatMap(({ peerId, path, protocols }) =>
      isDirect(path) && protocols.includes(RELAY_V2_HOP_CODEC) && peerId !== init.peerId ? peerId : [],
    )
  }

  function connectionsTo(peerId: string): Connection[] {
    return node()?.getConnections(peerIdFromString(peerId)) ?? []
  }

  function directTo(peerId: string): Connection {
    const connection = connectionsTo(peerId).find(({ direct, status }) => direct && status === 'open')
    if (connection === undefined) throw new Error('the link to the relay has ended')
    return connection
  }

  async function dial(address: string, signal: AbortSignal): Promise<ConnectedPeer> {
    return await wanted.dial(address, { source: 'learnt', signal })
  }

  async function known(): Promise<FoundPeer[]> {
    const stored = (await node()?.peerStore.all({ filters: [({ protocols }) => protocols.includes(RELAY_V2_HOP_CODEC)] })) ?? []
    return stored.map((peer) => ({ peerId: peer.id.toString(), multiaddrs: multiaddrsOf(peer) }))
  }

  async function addressesOf(peerId: string): Promise<string[]> {
    const id = peerIdFromString(peerId)
    const running = node()
    return running !== undefined && (await running.peerStore.has(id)) ? multiaddrsOf(await running.peerStore.get(id)) : []
  }

  async function link({ multiaddrs }: FoundPeer): Promise<ConnectedPeer | undefined> {
    const direct = multiaddrs.filter((address) => !isCircuitAddress(multiaddr(address))).slice(0, maxAddresses)
    for (const address of direct) {
      try {
        return await dial(address, stopping.signal)
      } catch (err) {
        if (stopping.signal.aborted) return undefined
        logger.debug({ err, address }, 'a peer that may be a relay was not reached')
      }
    }
    return undefined
  }

  /** A link that was opened only for this is closed again. */
  async function tryOne(peer: FoundPeer): Promise<void> {
    const there = connectionsTo(peer.peerId).length > 0
    const linked = await link(peer)
    if (linked === undefined || there) return
    if (linked.protocols.includes(RELAY_V2_HOP_CODEC) && (await keeper.offer(peer.peerId))) return
    for (const connection of connectionsTo(peer.peerId)) if (connection.direction === 'outbound') await connection.close()
  }

  function look(): void {
    const failed = (err: unknown) => logger.warn({ err }, 'relays could not be looked after')
    keeper
      .step()
      .then(() => {
        if (keeper.relays.length > 0 && !keeper.isMissing) search.reset()
        search.run().catch((err: unknown) => logger.debug({ err }, 'a search for relays has ended early'))
      })
      .catch(failed)
  }

  return {
    offered: client.offered,
    start() {
      stopping = new AbortController()
      runningTime.start()
      timer = setInterval(look, lookMs).unref()
      lostCircuits.start()
    },
    async stop() {
      clearInterval(timer)
      runningTime.stop()
      stopping.abort(new Error('the node was stopped'))
      keeper.stop()
      await Promise.all([search.stop(), lostCircuits.stop()])
    },
    look,
    closed({ remoteAddr, remotePeer }) {
      const relay = relayOf(remoteAddr)
      const relayId = relay === undefined ? undefined : peerIdOf(relay)
      if (relayId !== undefined) lostCircuits.lost(remotePeer.toString(), relayId)
    },
    gone(peerId) {
      keeper.lost(peerId)
      look()
    },
    get all() {
      return keeper.relays
    },
  }
}

function multiaddrsOf({ id, addresses }: Peer): string[] {
  return addresses.map((each) => `${withoutPeerId(each.multiaddr)}/p2p/${id}`)
}
