import { createSingleFlight } from '../../../lib/single-flight.ts'

/**
 * Finds out how this node is reached. It asks peers for dial-backs; when none of them succeeds, it asks relays for
 * reservations. Pure: it owns no timer and no link.
 */
export interface Reachability {
  /** Does what is due. Call it every few seconds and at each new link. Concurrent calls share one step. */
  step(): Promise<void>
  lost(peerId: string): void
  readonly state: 'unknown' | 'direct' | 'hidden'
  /** Addresses of this node that a peer has recently dialled back. */
  readonly confirmed: string[]
  /** Relays that carry circuits to this node, by peer id. */
  readonly relays: string[]
}

export interface ReachabilityComponents {
  now(): number
  /** Addresses at which this node may be reachable, without peer id; empty when it does not listen. */
  candidates(): string[]
  /** Linked peers that dial back, and those that relay. */
  dialsBack(): string[]
  relays(): string[]
  /** Returns the result of each address that the peer tried. @throws Error when the peer refuses */
  askDialBack(peerId: string, addresses: string[]): Promise<Array<{ multiaddr: string; reached: boolean }>>
  /** @throws Error when the relay refuses */
  reserve(peerId: string): Promise<void>
  /** The state, the confirmed addresses or the relays have changed. */
  onChange(): void
}

/** Failed dial-backs, by different peers, after which the node counts as hidden; all peers when there are fewer. */
const judges = 3
/** Reservations that are kept, so that one relay may fail. */
const wantedRelays = 2
/** Milliseconds for which a result holds, and after which a refused request is retried. */
const holdsMs = 600_000
const retryMs = 30_000

interface Verdict {
  at: number
  /** Whether each address was reached. Empty when the peer refused. */
  results: Map<string, boolean>
}

export function createReachability(components: ReachabilityComponents): Reachability {
  const { now, candidates, dialsBack, relays, askDialBack, reserve, onChange } = components
  const verdicts = new Map<string, Verdict>()
  const reserved = new Set<string>()
  const refusedAt = new Map<string, number>()
  let shown = ''

  function confirmed(): string[] {
    const wanted = candidates()
    const reached = new Set([...verdicts.values()].flatMap(({ results }) => [...results].flatMap(([address, ok]) => (ok ? [address] : []))))
    return wanted.filter((address) => reached.has(address))
  }

  function state(): Reachability['state'] {
    const wanted = candidates()
    if (wanted.length === 0) return 'hidden'
    if (confirmed().length > 0) return 'direct'
    const failed = [...verdicts.values()].filter(({ results }) => wanted.some((address) => results.get(address) === false))
    return failed.length > 0 && failed.length >= Math.min(judges, dialsBack().length) ? 'hidden' : 'unknown'
  }

  function isDue({ at, results }: Verdict): boolean {
    const wanted = candidates()
    const tried = (address: string) => [...verdicts.values()].some((verdict) => verdict.results.has(address))
    const holds = wanted.some((address) => results.has(address)) && wanted.every(tried)
    return now() - at > (holds ? holdsMs : retryMs)
  }

  /** Results of peers without a link hold as long as others. */
  function forget(): void {
    const linked = new Set(dialsBack())
    for (const [peerId, { at }] of verdicts) if (!linked.has(peerId) && now() - at > holdsMs) verdicts.delete(peerId)
  }

  async function judge(): Promise<void> {
    const wanted = candidates()
    if (wanted.length === 0) return
    forget()
    const asked = dialsBack().filter((peerId) => verdicts.has(peerId))
    const due = asked.filter((peerId) => isDue(verdicts.get(peerId) ?? never))
    const fresh = dialsBack()
      .filter((peerId) => !verdicts.has(peerId))
      .slice(0, Math.max(0, judges - asked.length))
    for (const peerId of [...due, ...fresh].slice(0, judges)) {
      const results = await askDialBack(peerId, wanted).catch(() => [])
      verdicts.set(peerId, { at: now(), results: new Map(results.map(({ multiaddr, reached }) => [multiaddr, reached])) })
    }
  }

  async function findRelays(): Promise<void> {
    if (state() !== 'hidden') {
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
    const view = JSON.stringify([state(), confirmed(), [...reserved]])
    if (view === shown) return
    shown = view
    onChange()
  }

  return {
    step: createSingleFlight(() => judge().then(findRelays).then(tellChange)).run,
    lost(peerId) {
      refusedAt.delete(peerId)
      if (reserved.delete(peerId)) tellChange()
    },
    get state() {
      return state()
    },
    get confirmed() {
      return confirmed()
    },
    get relays() {
      return [...reserved]
    },
  }
}

const never: Verdict = { at: Number.NEGATIVE_INFINITY, results: new Map() }
