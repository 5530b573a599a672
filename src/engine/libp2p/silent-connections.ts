import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import type { DialPolicy } from '../dial-policy.ts'
import { withoutPeerId } from '../endpoint.ts'
import { createSilentLinks, type WatchedLink } from '../silent-links.ts'
import type { Node } from './node.ts'
import { pingOver } from './ping.ts'
import type { SignsOfLife } from './signs-of-life.ts'

/** Replaces connections that a network which was away has left mute (silent-links.ts): those that this node has dialled over TCP. */
export interface SilentConnections {
  start(): void
  stop(): Promise<void>
  /** A peer has opened a connection. Another one to it is cut if the peer does not answer a ping there: it would keep its streams. */
  opened(connection: Connection): void
}

/** Milliseconds for the answer to that ping. */
const pingMs = 2_000

export function createSilentConnections(
  init: { limits: { doubtedLinkMs: number } },
  components: {
    node(): Node | undefined
    signsOfLife: Pick<SignsOfLife, 'heardAt'>
    policy: Pick<DialPolicy, 'asking'>
    isWanted(peerId: string): boolean
    dial(multiaddr: string, signal: AbortSignal): Promise<unknown>
    log: Logger
  },
): SilentConnections {
  const { doubtedLinkMs } = init.limits
  const { node, signsOfLife, policy, isWanted, dial, log } = components

  const silentLinks = createSilentLinks(init, {
    links: () => (node()?.getConnections() ?? []).filter(isWatched).map(watchedOf),
    isWanted,
    async prove(text, signal) {
      using _asking = policy.asking(withoutPeerId(multiaddr(text)))
      await node()?.dial(multiaddr(text), { signal, force: true })
    },
    async dial(text, signal) {
      using _asking = policy.asking(withoutPeerId(multiaddr(text)))
      await dial(text, signal)
    },
    log,
  })

  /** All connections to the peer end with it: a second one would leave gossip on the first. */
  function watchedOf(connection: Connection): WatchedLink {
    return {
      peerId: connection.remotePeer.toString(),
      multiaddr: `${withoutPeerId(connection.remoteAddr)}/p2p/${connection.remotePeer}`,
      get heardAt() {
        return signsOfLife.heardAt(connection)
      },
      ping: (signal) => pingOver(connection, signal),
      cut() {
        for (const each of node()?.getConnections(connection.remotePeer) ?? []) cut(each)
      },
    }
  }

  function isSilent(connection: Connection): boolean {
    return performance.now() - signsOfLife.heardAt(connection) > doubtedLinkMs
  }

  /** A peer that has nothing to say is silent, too. */
  async function cutUnlessAlive(connection: Connection): Promise<void> {
    await pingOver(connection, AbortSignal.timeout(pingMs)).catch(() => undefined)
    if (isSilent(connection)) cut(connection)
  }

  return {
    start: silentLinks.start,
    stop: silentLinks.stop,
    opened(connection) {
      if (connection.direction !== 'inbound') return
      for (const each of node()?.getConnections(connection.remotePeer) ?? []) {
        if (each !== connection && isSilent(each)) void cutUnlessAlive(each)
      }
    },
  }
}

function cut(connection: Connection): void {
  connection.abort(new Error('the other end is not heard any more'))
}

/** One that this node has dialled over TCP, to an IP address. QUIC finds out by itself. */
function isWatched({ direction, direct, remoteAddr, status }: Connection): boolean {
  return status === 'open' && direction === 'outbound' && direct && /^\/ip[46]\/[^/]+\/tcp\//.test(remoteAddr.toString())
}
