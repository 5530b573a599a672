import type { PeerId } from '@libp2p/interface'
import { commonBits } from '../../key-space.ts'

/** Maximum peers of one network in the routing table: among those with as many leading bits as this node, and in all. */
export interface MaxPerNetwork {
  perPrefix: number
  inAll: number
}

interface Contact {
  kadId: Uint8Array
  peerId: PeerId
}

/** Internals of the routing table (kad-dht/src/routing-table/k-bucket.ts); their use checks that they exist. */
interface Buckets {
  localPeer?: Contact
  verify?(contact: Contact, options?: object): Promise<boolean>
  add?(peerId: PeerId, options?: object): Promise<void>
  remove?(kadId: Uint8Array, options?: object): Promise<void>
  get?(kadId: Uint8Array): Contact | undefined
}

/**
 * Bounds how many peers of one network the routing table takes, as the filter of go-libp2p-kbucket (peerdiversity) does:
 * peer ids are free, and without it the owner of one network could fill the table, and answer all that this node asks.
 * kad-dht checks a peer by a ping before it takes it, so by then there is a connection.
 * @param networkOf the network of a connected peer; undefined for one that may have any number of peers
 */
export function boundNetworks(table: object, max: MaxPerNetwork, networkOf: (peerId: PeerId) => string | undefined): void {
  const buckets: Buckets | undefined = Reflect.get(table, 'kb')
  const { verify, add, remove, get } = buckets ?? {}
  if (buckets === undefined || !verify || !add || !remove || !get) throw new Error('kad-dht has another routing table')
  /** By peer id, the network and bits of those in the table, or about to be. */
  const held = new Map<string, { network: string; bits: number; kadId: Uint8Array }>()

  function hasRoom(network: string, bits: number): boolean {
    const there = [...held.values()].filter((each) => each.network === network)
    return there.length < max.inAll && there.filter((each) => each.bits === bits).length < max.perPrefix
  }

  /** Whether the peer may be in the table; it counts from then on. */
  function admit({ peerId, kadId }: Contact): boolean {
    const network = networkOf(peerId)
    const { localPeer } = buckets ?? {}
    if (network === undefined || localPeer === undefined || held.has(peerId.toString())) return true
    const bits = commonBits(localPeer.kadId, kadId)
    if (!hasRoom(network, bits)) return false
    held.set(peerId.toString(), { network, bits, kadId })
    return true
  }

  buckets.verify = async (contact, options) =>
    // Before, so that one that finds no room is not pinged; after, since it may not have been connected.
    admit(contact) && (await verify.call(buckets, contact, options)) && admit(contact)
  buckets.add = async (peerId, options) => {
    try {
      await add.call(buckets, peerId, options)
    } finally {
      const entry = held.get(peerId.toString())
      if (entry !== undefined && get.call(buckets, entry.kadId) === undefined) held.delete(peerId.toString())
    }
  }
  buckets.remove = async (kadId, options) => {
    const there = get.call(buckets, kadId)
    if (there !== undefined) held.delete(there.peerId.toString())
    await remove.call(buckets, kadId, options)
  }
}
