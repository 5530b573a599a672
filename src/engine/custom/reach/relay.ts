import { type CarriedCircuit, circuitRefusal, crowdRefusal, holderOf } from '../../crowds.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createPassedOn, type PassingWay } from '../../passed-on.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import { type CircuitBounds, type CircuitDirection, createRelayBounds, type RelayLimits } from '../../relay-bounds.ts'
import { workBudget } from '../link/frame-budget.ts'
import { priceOf } from '../link/frame-prices.ts'
import { frameTypes } from '../link/frame-types.ts'
import type { Link } from '../link/link.ts'
import { tagBytes } from '../noise/cipher-state.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import { type CircuitEnd, type CircuitEndListener, type CircuitEnds, circuitWindow } from './circuit-ends.ts'

/**
 * Carries circuits to peers that can't be dialled and have made a reservation. The carried bytes are encrypted between
 * the ends; the relay sees the peer ids, times and sizes. Reservations, circuits, their bytes, their time and their
 * buffers are bounded.
 */
export interface Relay {
  /** Reserves a place for a linked peer, until its link closes. False when there are too many reservations. */
  reserve(peerId: string): boolean
  /** Opens a circuit to a peer. Returns the listener of the opener's leg, or the reason for a refusal. */
  open(link: Link, to: string, leg: CircuitEnd): CircuitEndListener | string
  /** Whether a circuit joins the two peers. */
  joins(one: string, other: string): boolean
  /** The peer's link has closed. */
  lost(peerId: string): void
  readonly size: { reservations: number; circuits: number }
}

export interface RelayComponents {
  legs(): CircuitEnds
  linkTo(peerId: string): Link | undefined
  reached: LimitsReached
  counter: ReachCounter
  /** Milliseconds of the monotonic clock. */
  now?(): number
}

/** What a circuit costs its target in any case: the offer, and the end. */
const offerUnits = 2 * priceOf(frameTypes.circuit)
/** Milliseconds until credit that waits because of the messages is looked at again. */
const lookAgainMs = 20

export function createRelay(init: { limits: RelayLimits }, components: RelayComponents): Relay {
  const { limits } = init
  const { legs, linkTo, reached, counter, now = () => performance.now() } = components
  /** Reservations by peer id, with the holder that each is counted by. */
  const reservations = new Map<string, string>()
  const circuits = new Set<CarriedCircuit>()
  const bounds = createRelayBounds({ limits }, { counter })
  const passedOn = createPassedOn({ budget: workBudget }, { now })

  function refusal(link: Link, to: string, target: Link | undefined): string | undefined {
    if (target === undefined || !reservations.has(to)) return 'the peer has no reservation at this relay'
    if (link.isRelayed || target === link) return 'a relay accepts circuits from direct links only'
    const crowded = circuitRefusal(circuitOf(link, to), circuits, { max: limits.maxRelayStreams })
    const refused = crowded ?? (passedOn.offer(holderOf(link), to, offerUnits) ? undefined : tooMany)
    if (refused !== undefined) reached.note('relay_circuit')
    return refused
  }

  function carry(link: Link, target: Link, leg: CircuitEnd): CircuitEndListener | string {
    const ends: CircuitEnd[] = [leg]
    const circuit = circuitOf(link, target.peerId)
    const counted = bounds.begin(circuit, end)
    /** Why the circuit has ended. */
    let over: string | undefined
    let isOpened = false
    const toTarget = passedOn.way(holderOf(link), target.peerId)
    const toOpener = passedOn.way(holderOf(target), link.peerId)
    const there = createFlow({
      direction: 'there',
      counted,
      way: toTarget,
      wayBack: toOpener,
      pass: (bytes) => ends[0]?.credit(bytes),
      end,
    })
    const back = createFlow({ direction: 'back', counted, way: toOpener, wayBack: toTarget, pass: (bytes) => ends[1]?.credit(bytes), end })

    function end(reason: string): void {
      if (over !== undefined) return
      over = reason
      for (const each of [counted, there, back]) each[Symbol.dispose]()
      circuits.delete(circuit)
      for (const each of ends) each.close(reason)
    }

    const towards = (to: () => CircuitEnd | undefined, flow: Flow, other: Flow): CircuitEndListener => ({
      onOpened() {
        if (isOpened || flow === there) throw new ProtocolViolation('a circuit is opened once, by its target')
        isOpened = true
        to()?.opened()
      },
      onData(message) {
        flow.carry(message.length)
        if (over === undefined && to()?.data(message) === false) end('the link to the other end has no room')
      },
      onCredit: (bytes) => other.credit(bytes),
      onClose: end,
    })
    circuits.add(circuit)
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
      end(error instanceof Error ? error.message : String(error))
    }
    return over ?? towards(() => ends[1], there, back)
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
    joins(one, other) {
      return [...circuits].some(({ opener, target }) => (opener === one && target === other) || (opener === other && target === one))
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

const tooMany = 'the relay has passed on too much to this peer'

/** One direction of a circuit. */
interface Flow extends Disposable {
  /** Counts a message. @throws ProtocolViolation when it is no record, or the sender exceeds its credit */
  carry(bytes: number): void
  /**
   * Takes credit from the receiver, and passes it to the sender as soon as the relay's rates allow.
   * @throws ProtocolViolation when it is more than the receiver was sent
   */
  credit(bytes: number): void
}

interface FlowInit {
  direction: CircuitDirection
  counted: CircuitBounds
  /** To the receiver of the data, and to its sender. */
  way: PassingWay
  wayBack: PassingWay
  pass(bytes: number): void
  end(reason: string): void
}

function createFlow({ direction, counted, way, wayBack, pass, end }: FlowInit): Flow {
  let held = 0
  /** Credit that is not yet passed to the sender. */
  let owed = 0
  let timer: NodeJS.Timeout | undefined

  function passOn(): void {
    const waitMs = Math.max(counted.waitMs(), way.isFast ? lookAgainMs : 0)
    timer = waitMs > 0 ? setTimeout(passOn, waitMs) : undefined
    if (timer !== undefined) return
    held -= owed
    const bytes = owed
    owed = 0
    if (wayBack.pass(priceOf(frameTypes.circuitCredit))) pass(bytes)
    else end(tooMany)
  }

  return {
    carry(bytes) {
      // Credit counts bytes, so messages of few bytes would be many.
      if (bytes < tagBytes) throw new ProtocolViolation('a message of a circuit is too short')
      held += bytes
      if (held > circuitWindow) throw new ProtocolViolation('more bytes on a circuit than its credit allows')
      counted.carried(direction, bytes)
      if (!way.pass(priceOf(frameTypes.circuitData))) end(tooMany)
    },
    credit(bytes) {
      // The sender would send more than the relay holds of a circuit, and be cut for it.
      if (bytes === 0 || bytes > held - owed) throw new ProtocolViolation('credit that is not due')
      owed += bytes
      if (timer === undefined) passOn()
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}
