import { createSingleFlight } from '../../../lib/single-flight.ts'
import { createDialBackJudge, type DialBackJudge, type DialBackJudgeComponents, retryMs } from '../../reach/dial-back-judge.ts'

/**
 * Finds out how this node is reached. It asks peers for dial-backs; when none of them succeeds, it asks relays for
 * reservations. Pure: it owns no timer and no link.
 */
export interface Reachability extends Pick<DialBackJudge, 'state' | 'confirmed'> {
  /** Does what is due. Call it every few seconds and at each new link. Concurrent calls share one step. */
  step(): Promise<void>
  lost(peerId: string): void
  /** Relays that carry circuits to this node, by peer id. */
  readonly relays: string[]
}

export interface ReachabilityComponents extends DialBackJudgeComponents {
  /** Linked peers that relay. */
  relays(): string[]
  /** @throws Error when the relay refuses */
  reserve(peerId: string): Promise<void>
  /** The state, the confirmed addresses or the relays have changed. */
  onChange(): void
}

/** Reservations that are kept, so that one relay may fail. */
const wantedRelays = 2

export function createReachability(components: ReachabilityComponents): Reachability {
  const { now, relays, reserve, onChange } = components
  const judge = createDialBackJudge(components)
  const reserved = new Set<string>()
  const refusedAt = new Map<string, number>()
  let shown = ''

  async function findRelays(): Promise<void> {
    if (judge.state !== 'hidden') {
      reserved.clear()
      return
    }
    for (const peerId of relays()) {
      if (reserved.size >= wantedRelays) return
      if (reserved.has(peerId) || now() - (refusedAt.get(peerId) ?? -retryMs) < retryMs) continue
      try {
        await reserve(peerId)
        reserved.add(peerId)
      } catch {
        refusedAt.set(peerId, now())
      }
    }
  }

  function tellChange(): void {
    const view = JSON.stringify([judge.state, judge.confirmed.map(({ multiaddr }) => multiaddr), [...reserved]])
    if (view === shown) return
    shown = view
    onChange()
  }

  return {
    step: createSingleFlight(() => judge.judge().then(findRelays).then(tellChange)).run,
    lost(peerId) {
      refusedAt.delete(peerId)
      if (reserved.delete(peerId)) tellChange()
    },
    get state() {
      return judge.state
    },
    get confirmed() {
      return judge.confirmed
    },
    get relays() {
      return [...reserved]
    },
  }
}
