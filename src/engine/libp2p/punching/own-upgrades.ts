import type { Connection } from '@libp2p/interface'

/**
 * The upgrades that this node has begun. Two peers that have dialled each other through relays both begin one. When both
 * upgrades then dial at the same moment, the two ends of a socket can have the same role, and the handshake fails. So the
 * upgrade of the peer with the lower id goes first, and the other one is refused while it lasts.
 */
export interface OwnUpgrades {
  /** The connection as an upgrade is given it, which is in progress while it has a stream there. */
  of(connection: Connection): Connection
  /** Whether an upgrade that the peer begins has to wait for the one of this node. */
  goesBefore(peerId: string): boolean
}

export function createOwnUpgrades(ownId: string): OwnUpgrades {
  /** By peer, the number of upgrades in progress. */
  const inProgress = new Map<string, number>()

  function count(peerId: string, by: 1 | -1): void {
    const number = (inProgress.get(peerId) ?? 0) + by
    if (number === 0) inProgress.delete(peerId)
    else inProgress.set(peerId, number)
  }

  return {
    of(connection) {
      const peerId = connection.remotePeer.toString()
      const newStream: Connection['newStream'] = async (protocols, options) => {
        count(peerId, 1)
        try {
          const stream = await connection.newStream(protocols, options)
          if (stream.status === 'open') stream.addEventListener('close', () => count(peerId, -1), { once: true })
          else count(peerId, -1)
          return stream
        } catch (error) {
          count(peerId, -1)
          throw error
        }
      }
      return Object.assign(Object.create(connection), { newStream })
    },
    goesBefore: (peerId) => inProgress.has(peerId) && ownId < peerId,
  }
}
