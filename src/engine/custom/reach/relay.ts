import { type CarriedCircuit, circuitRefusal, crowdRefusal, holderOf } from '../../crowds.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { Link } from '../link/link.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import { circuitWindow, type Leg, type LegListener, type Legs } from './legs.ts'

/**
 * Carries circuits to peers that can't be dialled and have asked for it. What is carried is encrypted between its ends; a relay sees who
 * they are, when, and how much. Everything of it is bounded: who is reached, circuits, their bytes, their time, and what is held of them.
 */
export interface Relay {
  /** A linked peer wants to be reached through this node, as long as the link lasts. False when there are too many. */
  reserve(peerId: string): boolean
  /** Somebody wants a circuit to a peer. Answers why not. */
  open(link: Link, to: string, leg: Leg): LegListener | string
  /** The peer's link is gone. */
  lost(peerId: string): void
  readonly size: { reservations: number; circuits: number }
}

export interface RelayLimits {
  maxRelayReservations: number
  maxRelayStreams: number
  maxRelayBytes: number
  relayMs: number
}

export interface RelayComponents {
  legs(): Legs
  linkTo(peerId: string): Link | undefined
  reached: LimitsReached
}

export function createRelay(init: { limits: RelayLimits }, components: RelayComponents): Relay {
  const { limits } = init
  const { legs, linkTo, reached } = components
  /** Of each peer that is reached through this node, who holds its place. */
  const reservations = new Map<string, string>()
  const circuits = new Set<CarriedCircuit>()

  function refusal(link: Link, to: string, target: Link | undefined): string | undefined {
    if (target === undefined || !reservations.has(to)) return 'the peer is not reached through this relay'
    if (link.isRelayed || target === link) return 'a relay takes circuits from direct links only'
    const refused = circuitRefusal(circuitOf(link, to), circuits, { max: limits.maxRelayStreams })
    if (refused !== undefined) reached.note('relay_circuit')
    return refused
  }

  function carry(link: Link, target: Link, leg: Leg): LegListener | string {
    const ends: Leg[] = [leg]
    const circuit = circuitOf(link, target.peerId)
    let timer: NodeJS.Timeout | undefined

    function end(reason: string): void {
      if (timer === undefined) return
      clearTimeout(timer)
      timer = undefined
      circuits.delete(circuit)
      for (const each of ends) each.close(reason)
    }

    const [there, back] = [createFlow(limits), createFlow(limits)]
    const towards = (to: () => Leg | undefined, flow: Flow, other: Flow): LegListener => ({
      onOpened: () => to()?.opened(),
      onData(message) {
        const problem = flow.carry(message.length)
        if (problem !== undefined) end(problem)
        else if (to()?.data(message) === false) end('the link to the other end takes no more')
      },
      onCredit(bytes) {
        other.credit(bytes)
        to()?.credit(bytes)
      },
      onClose: end,
    })
    try {
      ends.push(
        legs().begin(
          target,
          'offer',
          link.peerId,
          towards(() => ends[0], back, there),
        ),
      )
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    circuits.add(circuit)
    timer = setTimeout(() => end('the time of the circuit is over'), limits.relayMs)
    return towards(() => ends[1], there, back)
  }

  return {
    reserve(peerId) {
      const link = linkTo(peerId)
      if (link === undefined || link.isRelayed) return false
      if (reservations.has(peerId)) return true
      const holder = holderOf(link)
      if (crowdRefusal(holder, reservations.values(), { max: limits.maxRelayReservations }) !== undefined) {
        reached.note('relay_reservation')
        return false
      }
      reservations.set(peerId, holder)
      return true
    },
    open(link, to, leg) {
      const target = linkTo(to)
      const problem = refusal(link, to, target)
      return problem !== undefined || target === undefined ? (problem ?? '') : carry(link, target, leg)
    },
    lost(peerId) {
      reservations.delete(peerId)
    },
    get size() {
      return { reservations: reservations.size, circuits: circuits.size }
    },
  }
}

function circuitOf({ peerId, seenAt }: Link, target: string): CarriedCircuit {
  return { opener: peerId, seenAt, target }
}

/** One direction of a circuit. */
interface Flow {
  /** Counts a message. Answers why it is not carried. @throws ProtocolViolation when the sender was not let to send so much */
  carry(bytes: number): string | undefined
  /** The receiver lets the sender send so much more. */
  credit(bytes: number): void
}

function createFlow(limits: RelayLimits): Flow {
  let total = 0
  let held = 0
  return {
    carry(bytes) {
      total += bytes
      held += bytes
      if (held > circuitWindow) throw new ProtocolViolation('more on a circuit than was let in')
      return total > limits.maxRelayBytes ? 'the circuit has carried as much as it may' : undefined
    },
    credit(bytes) {
      held = Math.max(0, held - bytes)
    },
  }
}
