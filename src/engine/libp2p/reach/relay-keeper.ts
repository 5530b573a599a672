import type { Logger } from 'pino'
import { type BackOffRange, backOffMs } from '../../../lib/back-off.ts'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { createSingleFlight } from '../../../lib/single-flight.ts'
import type { Reservation } from './relay-client.ts'

/**
 * Keeps reservations at relays while this node cannot be dialled, and replaces each relay that goes, refuses or no
 * longer carries circuits. Pure: it owns no timer and no connection.
 */
export interface RelayKeeper {
  /** Does what is due. Call it every few seconds and at each new link. Concurrent calls share one step. */
  step(): Promise<void>
  /** Asks a linked relay when one is missing. Returns whether this node has a reservation there now. */
  offer(peerId: string): Promise<boolean>
  /** Whether the peer has not refused recently. */
  mayAsk(peerId: string): boolean
  /** Whether relays are wanted and missing. */
  readonly isMissing: boolean
  /** The last link to a peer has ended. */
  lost(peerId: string): void
  /** Relays that carry circuits to this node, by peer id. */
  readonly relays: string[]
  /** Addresses of this node through them, without its own peer id. */
  readonly addresses: string[]
  stop(): void
}

/** `seek`: this node needs relays. `keep`: it may; those that it has are kept. `none`: it needs none. */
export type RelayNeed = 'seek' | 'keep' | 'none'

/** Reservations that are kept, so that one relay may fail. */
export const wantedRelays = 2
/** Milliseconds between two proofs of a relay. */
export const proveMs = 15_000
/** Pauses before a peer is asked again that refused, carried no circuit, or went. */
const pauses: BackOffRange = { firstMs: 1_000, lastMs: 600_000 }
/** Milliseconds after which a relay has proved itself: its earlier failures are forgotten. */
const steadyMs = 600_000
/** Maximum remembered refusals, about 100 bytes each; the oldest are forgotten first. */
const maxRefused = 1_000
/** Rounds of questions in one step, each to as many relays as are missing. */
const maxRounds = 3

interface Held extends Reservation {
  since: number
  renewAt: number
  proveAt: number
}

export function createRelayKeeper(components: {
  need(): RelayNeed
  /** Peers on direct links that relay. */
  speaking(): string[]
  /** Makes or renews a reservation. @throws Error */
  reserve(peerId: string): Promise<Reservation>
  /** Whether the relay carries circuits to this node; undefined when it does not say. @throws Error */
  prove(peerId: string): Promise<boolean | undefined>
  /** Relays or addresses have changed. */
  onChange(): void
  logger: Logger
  now: () => number
  /** Milliseconds in which this process has run since a value of `now`. */
  ranSince(instant: number): number
  random?: () => number
}): RelayKeeper {
  const { need, speaking, reserve, prove, onChange, logger, now, ranSince, random } = components
  const held = new Map<string, Held>()
  const refused = new BoundedMap<string, { failures: number; notBefore: number }>({ max: maxRefused })
  const asking = new Map<string, Promise<boolean>>()
  let shown = '[]'

  function addresses(): string[] {
    return [...held.values()].flatMap((relay) => relay.addresses)
  }

  function tellChange(): void {
    const view = JSON.stringify(addresses())
    if (view === shown) return
    shown = view
    onChange()
  }

  function isMissing(): boolean {
    return need() === 'seek' && held.size < wantedRelays
  }

  function mayAsk(peerId: string): boolean {
    return (refused.get(peerId)?.notBefore ?? 0) <= now()
  }

  /** Peers that may be asked now; first those that have failed least. */
  function candidates(): string[] {
    const failures = (peerId: string) => refused.get(peerId)?.failures ?? 0
    const possible = speaking().filter((peerId) => !held.has(peerId) && mayAsk(peerId))
    return possible.toSorted((one, other) => failures(one) - failures(other))
  }

  function failed(peerId: string, reason: unknown): void {
    const failures = refused.get(peerId)?.failures ?? 0
    refused.set(peerId, { failures: failures + 1, notBefore: now() + backOffMs(pauses, failures, random) })
    logger.debug({ err: reason, peerId }, 'a peer is not used as a relay for now')
  }

  function drop(peerId: string, reason: unknown): void {
    const relay = held.get(peerId)
    if (relay === undefined) return
    held.delete(peerId)
    if (now() - relay.since >= steadyMs) refused.delete(peerId)
    failed(peerId, reason)
    logger.info({ err: reason, peerId }, 'a relay no longer carries links to this gateway')
    tellChange()
  }

  function hold(peerId: string, reservation: Reservation, since: number): void {
    held.set(peerId, { ...reservation, since, renewAt: now() + reservation.renewMs, proveAt: now() + proveMs })
    tellChange()
  }

  async function proven(peerId: string): Promise<void> {
    if ((await prove(peerId)) === false) throw new Error('the relay carries no circuit to this node')
  }

  async function ask(peerId: string): Promise<boolean> {
    try {
      const reservation = await reserve(peerId)
      await proven(peerId)
      // The link, or the need, may have ended meanwhile, or another relay may have been faster.
      if (!isMissing() || !speaking().includes(peerId)) return false
      hold(peerId, reservation, now())
      logger.info({ peerId, addresses: reservation.addresses }, 'a relay carries links to this gateway')
      return true
    } catch (reason) {
      failed(peerId, reason)
      return false
    }
  }

  async function offer(peerId: string): Promise<boolean> {
    if (held.has(peerId)) return true
    if (!isMissing() || !mayAsk(peerId)) return false
    const there = asking.get(peerId)
    if (there !== undefined) return await there
    const answer = ask(peerId).finally(() => asking.delete(peerId))
    asking.set(peerId, answer)
    return await answer
  }

  /** Whether this process stood still for most of the time since then: what the relay has sent meanwhile was not read. */
  function hasMissed(since: number): boolean {
    return ranSince(since) < (now() - since) / 2
  }

  async function look(peerId: string, relay: Held): Promise<void> {
    const begun = now()
    try {
      if (now() >= relay.renewAt) {
        const reservation = await reserve(peerId)
        if (held.get(peerId) === relay) hold(peerId, reservation, relay.since)
      } else if (now() >= relay.proveAt) {
        relay.proveAt = now() + proveMs
        await proven(peerId)
      }
    } catch (reason) {
      if (held.get(peerId) !== relay) return
      if (hasMissed(begun)) relay.proveAt = now()
      else drop(peerId, reason)
    }
  }

  async function step(): Promise<void> {
    if (need() === 'none') {
      held.clear()
      tellChange()
      return
    }
    const linked = speaking()
    for (const peerId of [...held.keys()]) if (!linked.includes(peerId)) drop(peerId, new Error('its link has ended'))
    await Promise.all([...held].map(([peerId, relay]) => look(peerId, relay)))
    for (let round = 0; round < maxRounds && isMissing(); round++) {
      const next = candidates().slice(0, wantedRelays - held.size)
      if (next.length === 0) return
      await Promise.all(next.map(offer))
    }
  }

  return {
    step: createSingleFlight(step).run,
    offer,
    mayAsk,
    get isMissing() {
      return isMissing()
    },
    lost: (peerId) => drop(peerId, new Error('its link has ended')),
    get relays() {
      return [...held.keys()]
    },
    get addresses() {
      return addresses()
    },
    stop() {
      held.clear()
      refused.clear()
      shown = '[]'
    },
  }
}
