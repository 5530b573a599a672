/**
 * How this node is reached: peers are asked to dial it back; when none of them can, peers that are relays are asked to carry circuits to
 * it. Pure: asks are its components', time and links are told by `step`.
 */
export interface Reachability {
  /** Looks whether something is to be done; to be called every few seconds, and when links come. One step at a time. */
  step(): Promise<void>
  lost(peerId: string): void
  readonly state: 'unknown' | 'direct' | 'hidden'
  /** Addresses of this node that somebody has dialled back lately. */
  readonly confirmed: string[]
  /** Relays that carry circuits to this node, by peer id. */
  readonly relays: string[]
}

export interface ReachabilityComponents {
  now(): number
  /** Addresses at which this node may be reachable, without peer id; none when it doesn't listen. */
  candidates(): string[]
  /** Linked peers that dial back, and those that relay. */
  dialsBack(): string[]
  relays(): string[]
  /** What came of each address that the peer tried. @throws Error when it would not answer */
  askDialBack(peerId: string, addresses: string[]): Promise<Array<{ multiaddr: string; reached: boolean }>>
  /** @throws Error when the relay would not */
  reserve(peerId: string): Promise<void>
  /** Something of it has changed. */
  onChange(): void
}

/** Peers that have to have failed before the node takes itself for hidden, when there are so many. */
const judges = 3
/** Relays that are kept: one may go. */
const wantedRelays = 2
/** Milliseconds for which a word holds: asked again after it, and of an ask that was refused, sooner. */
const holdsMs = 600_000
const retryMs = 30_000

interface Verdict {
  at: number
  /** By address: whether it was reached. Empty when the peer would not say. */
  results: Map<string, boolean>
}

export function createReachability(components: ReachabilityComponents): Reachability {
  const { now, candidates, dialsBack, relays, askDialBack, reserve, onChange } = components
  const verdicts = new Map<string, Verdict>()
  const reserved = new Set<string>()
  const refusedAt = new Map<string, number>()
  let stepping: Promise<void> | undefined
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

  /** Words of peers that are gone hold as long as others. */
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
    step() {
      stepping ??= judge()
        .then(findRelays)
        .then(tellChange)
        .finally(() => {
          stepping = undefined
        })
      return stepping
    },
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
