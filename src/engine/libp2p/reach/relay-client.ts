import { RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createDeadline } from '../../../lib/deadline.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { throughRelays } from '../../dial/circuit-address.ts'
import { endpointOf, withoutPeerId } from '../../dial/endpoint.ts'
import { type DialPolicy, isPublicAddress } from '../../dial/policy.ts'
import type { DialledAt } from '../dialled-at.ts'
import { withStream } from '../stream-io.ts'
import { tellerOf } from '../teller-of.ts'
import { connectRequest, decodeHopAnswer, maxHopBytes, relayStatus, reserveRequest } from './relay-messages.ts'

/**
 * The client of circuit relays: makes reservations, and has relays prove that they carry circuits. `reservationStore`
 * of `@libp2p/circuit-relay-v2` is not used: it does not ask a relay again that refused, dials any number of peers to
 * find others, and cannot give a single reservation up.
 */
export interface RelayClient {
  /** Makes or renews a reservation. @throws Error when the relay refuses, or does not answer */
  reserve(connection: Connection, signal: AbortSignal): Promise<Reservation>
  /**
   * Whether the relay carries circuits to this node: has it open one from this node to itself. Undefined when the
   * relay refuses for another reason, such as too many circuits.
   * @throws Error when it does not answer
   */
  prove(connection: Connection, signal: AbortSignal): Promise<boolean | undefined>
  /** A relay offers a circuit. Returns whether it is one from this node to itself, which is not taken. */
  offered(relay: string, from: string): boolean
}

export interface Reservation {
  /** Milliseconds after which it should be renewed. */
  renewMs: number
  /** Addresses of this node through the relay, without its own peer id. */
  addresses: string[]
}

/** Renewed after half of its time. Of another clock, or of an impossible time, only this range is believed, in milliseconds. */
const renewal = { leastMs: 30_000, mostMs: 1_800_000 }
/** Addresses of a relay that this node announces itself under, and the length of one. */
const maxAddresses = 4
const maxAddressLength = 256

export function createRelayClient(
  init: { peerId: string; timeoutMs: number },
  components: {
    policy: Pick<DialPolicy, 'mayTell'>
    dialledAt: Pick<DialledAt, 'of'>
    /** Wall time, in milliseconds since 1970. */
    now?: () => number
  },
): RelayClient {
  const { peerId, timeoutMs } = init
  const { policy, dialledAt, now = () => Date.now() } = components
  const self = peerIdFromString(peerId).toMultihash().bytes
  /** Relays that are to open a circuit, and whether it has arrived. */
  const proofs = new Map<string, { hasArrived: boolean }>()

  async function ask(connection: Connection, request: Uint8Array, given: AbortSignal, onAnswer: (stream: Stream) => void = () => {}) {
    using deadline = createDeadline(timeoutMs, [given])
    const { signal } = deadline
    const stream = await connection.newStream(RELAY_V2_HOP_CODEC, { signal })
    return await withStream(stream, signal, async () => {
      const messages = lpStream(stream, { maxDataLength: maxHopBytes })
      await messages.write(request, { signal })
      const answer = decodeHopAnswer((await messages.read({ signal })).subarray())
      onAnswer(stream)
      return answer
    })
  }

  /** The address at which the relay was dialled, then those that it tells; public ones first. */
  function addressesOf(connection: Connection, told: Uint8Array[]): string[] {
    const relay = connection.remotePeer.toString()
    const dialled = connection.direction === 'outbound' ? [dialledAt.of(connection)] : []
    const usable = [...dialled, ...told.flatMap(parsed)].filter((address) => {
      const text = address.toString()
      const isOfRelay = (peerIdOf(address) ?? relay) === relay
      return isOfRelay && endpointOf(address) !== undefined && text.length <= maxAddressLength && policy.mayTell(text, tellerOf(connection))
    })
    const sorted = usable.toSorted((one, other) => Number(isPrivate(one)) - Number(isPrivate(other)))
    return [...new Set(sorted.map((address) => `${withoutPeerId(address)}/p2p/${relay}${throughRelays}`))].slice(0, maxAddresses)
  }

  return {
    async reserve(connection, signal) {
      const { status, expiresAt, addresses } = await ask(connection, reserveRequest, signal)
      if (status !== relayStatus.ok) throw new Error(`the relay refuses a reservation with status ${status}`)
      const found = addressesOf(connection, addresses)
      if (found.length === 0) throw new Error('the relay has no address at which others could dial it')
      const halfMs = (expiresAt * 1_000 - now()) / 2
      return { renewMs: Math.min(Math.max(halfMs, renewal.leastMs), renewal.mostMs), addresses: found }
    },
    async prove(connection, signal) {
      const relay = connection.remotePeer.toString()
      const proof = { hasArrived: false }
      proofs.set(relay, proof)
      try {
        // A relay counts the circuit as long as its stream is open.
        const { status } = await ask(connection, connectRequest(self), signal, (stream) => stream.abort(new Error('it was only a proof')))
        // What arrived proves it, whatever the relay makes of the refusal.
        if (proof.hasArrived) return true
        const isMissing = status === relayStatus.ok || status === relayStatus.noReservation || status === relayStatus.connectionFailed
        return isMissing ? false : undefined
      } finally {
        if (proofs.get(relay) === proof) proofs.delete(relay)
      }
    },
    offered(relay, from) {
      if (from !== peerId) return false
      const proof = proofs.get(relay)
      if (proof !== undefined) proof.hasArrived = true
      return true
    },
  }
}

function parsed(bytes: Uint8Array): Multiaddr[] {
  try {
    return [multiaddr(bytes)]
  } catch {
    return []
  }
}

/** Names count as public. */
function isPrivate(address: Multiaddr): boolean {
  const [host] = address.getComponents()
  return (host?.name === 'ip4' || host?.name === 'ip6') && !isPublicAddress(host.value ?? '')
}
