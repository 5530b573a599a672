import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createDeadline } from '../../lib/deadline.ts'
import type { Limits } from '../../limits.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import type { DialPolicy } from '../dial/policy.ts'
import { createSilentLinks, type WatchedLink } from '../silent-links.ts'
import { createConnectionMonitor } from './connection-monitor.ts'
import type { DialledAt } from './dialled-at.ts'
import type { Node } from './node.ts'
import { pingOver, untilAnswered } from './ping.ts'
import type { SignsOfLife } from './signs-of-life.ts'

/** Replaces dialled connections that a network outage has left mute (silent-links.ts), and closes all that stay mute. */
export interface SilentConnections {
  start(): void
  stop(): Promise<void>
  /**
   * A peer has opened a connection. An older one to it is cut if it is silent and the peer does not answer a ping
   * there: it would keep the peer's streams.
   */
  opened(connection: Connection): void
}

/** Milliseconds for the answer to that ping. */
const pingMs = 2_000

export function createSilentConnections(
  init: { limits: Pick<Limits, 'doubtedLinkMs' | 'silentLinkMs'> },
  components: {
    node(): Node | undefined
    signsOfLife: Pick<SignsOfLife, 'heardAt'>
    dialledAt: Pick<DialledAt, 'of'>
    policy: Pick<DialPolicy, 'asking' | 'sourceOf'>
    isSettled(peerId: string): boolean
    isWanted(peerId: string): boolean
    dial(multiaddr: string, signal: AbortSignal): Promise<unknown>
    logger: Logger
  },
): SilentConnections {
  const { doubtedLinkMs } = init.limits
  const { node, signsOfLife, dialledAt, policy, isSettled, isWanted, dial, logger } = components

  const monitor = createConnectionMonitor(init, { connections: () => node()?.getConnections() ?? [], signsOfLife })
  const silentLinks = createSilentLinks(init, {
    links: () => (node()?.getConnections() ?? []).filter(isWatched).map(watchedOf),
    isSettled,
    isWanted,
    policy,
    async prove(text, signal) {
      const connection = await node()?.dial(multiaddr(text), { signal, force: true })
      if (connection === undefined) throw new Error('the node was stopped')
      try {
        await untilAnswered(connection, signal)
      } finally {
        connection.abort(new Error('the connection was opened only to probe the peer'))
      }
    },
    dial,
    logger,
  })

  /** `cut` ends all connections to the peer: on a second one, gossip would stay on the first. */
  function watchedOf(connection: Connection): WatchedLink {
    return {
      peerId: connection.remotePeer.toString(),
      multiaddr: `${withoutPeerId(dialledAt.of(connection))}/p2p/${connection.remotePeer}`,
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

  /** Cuts a connection unless a ping proves it alive: a peer without anything to send is silent, too. */
  async function cutUnlessAlive(connection: Connection): Promise<void> {
    using deadline = createDeadline(pingMs, [])
    await pingOver(connection, deadline.signal).catch(() => undefined)
    if (isSilent(connection)) cut(connection)
  }

  return {
    start() {
      silentLinks.start()
      monitor.start()
    },
    async stop() {
      await Promise.all([silentLinks.stop(), monitor.stop()])
    },
    opened(connection) {
      if (connection.direction !== 'inbound') return
      for (const each of node()?.getConnections(connection.remotePeer) ?? []) {
        if (each !== connection && isSilent(each)) void cutUnlessAlive(each)
      }
    },
  }
}

function cut(connection: Connection): void {
  connection.abort(new Error('the other end has gone silent'))
}

/** A WebRTC connection ends by itself when its peer is silent (RFC 7675), and has no address to dial it at again. */
function isWatched({ direction, status, remoteAddr }: Connection): boolean {
  const isWebRtc = remoteAddr.getComponents().some(({ name }) => name === 'webrtc')
  return status === 'open' && direction === 'outbound' && !isWebRtc
}
