import type { ConfirmedAddress, Reachability } from './reachability.ts'

/**
 * Judges by dial-backs whether this node can be dialled. It asks a few peers, and repeats a question when its result no
 * longer holds. Pure: it owns no timer and no link.
 */
export interface DialBackJudge {
  /** Asks the peers that are due, all at once, except those that have not answered yet. Resolves with the last answer. */
  judge(): Promise<void>
  /**
   * Says which addresses a router forwards to this node. Failures at addresses that it did not forward before, and
   * successes at those that it no longer forwards, hold no more, and the peers are asked again.
   */
  forwarded(addresses: readonly string[]): void
  /** When the longest waiting of the asked peers was asked; undefined when none is. */
  readonly askedAt: number | undefined
  readonly state: Reachability['state']
  /** Addresses of this node that a peer has recently dialled back. */
  readonly confirmed: ConfirmedAddress[]
}

export interface DialBackJudgeComponents {
  now(): number
  /** Addresses at which this node may be reachable, without peer id; empty when it does not listen. */
  candidates(): string[]
  /** Linked peers that dial back. */
  dialsBack(): string[]
  /** Returns the result of each address that the peer tried. @throws Error when the peer refuses */
  askDialBack(peerId: string, addresses: string[]): Promise<Array<{ multiaddr: string; reached: boolean }>>
}

/** Failed dial-backs, by different peers, after which the node counts as hidden; all peers when there are fewer. */
const judges = 3
/** Milliseconds for which a result holds, and after which a refused request is retried. */
const holdsMs = 600_000
export const retryMs = 30_000

interface Verdict {
  at: number
  /** Whether each address was reached. Empty when the peer refused. */
  results: Map<string, boolean>
  /** Whether a router has changed what the peer would find. */
  isOutdated: boolean
}

export function createDialBackJudge(components: DialBackJudgeComponents): DialBackJudge {
  const { now, candidates, dialsBack, askDialBack } = components
  const verdicts = new Map<string, Verdict>()
  /** When the peers that have not answered yet were asked, and which addresses led elsewhere then, by what they would say. */
  const asking = new Map<string, { at: number; outdated: Changed[] }>()
  let before: readonly string[] = []

  function confirmed(): ConfirmedAddress[] {
    const all = [...verdicts.values()]
    return candidates().flatMap((multiaddr) => {
      const peers = all.filter(({ results }) => results.get(multiaddr) === true).length
      return peers === 0 ? [] : { multiaddr, peers }
    })
  }

  function state(): Reachability['state'] {
    const wanted = candidates()
    if (wanted.length === 0) return 'hidden'
    if (confirmed().length > 0) return 'direct'
    const failed = [...verdicts.values()].filter(({ results }) => wanted.some((address) => results.get(address) === false))
    return failed.length > 0 && failed.length >= Math.min(judges, dialsBack().length) ? 'hidden' : 'unknown'
  }

  function isDue({ at, results, isOutdated }: Verdict): boolean {
    if (isOutdated) return true
    const wanted = candidates()
    const tried = (address: string) => [...verdicts.values()].some((verdict) => verdict.results.has(address))
    const holds = wanted.some((address) => results.has(address)) && wanted.every(tried)
    return now() - at > (holds ? holdsMs : retryMs)
  }

  async function ask(peerId: string, wanted: string[]): Promise<void> {
    const asked = { at: now(), outdated: [] as Changed[] }
    asking.set(peerId, asked)
    const results = await askDialBack(peerId, wanted).catch(() => [])
    asking.delete(peerId)
    const verdict = { at: now(), results: new Map(results.map(({ multiaddr, reached }) => [multiaddr, reached])), isOutdated: false }
    verdicts.set(peerId, asked.outdated.reduce(without, verdict))
  }

  /** Results of peers without a link hold as long as others. */
  function forget(): void {
    const linked = new Set(dialsBack())
    for (const [peerId, { at }] of verdicts) if (!linked.has(peerId) && now() - at > holdsMs) verdicts.delete(peerId)
  }

  return {
    async judge() {
      const wanted = candidates()
      if (wanted.length === 0) return
      forget()
      const known = dialsBack().filter((peerId) => verdicts.has(peerId) || asking.has(peerId))
      const due = known.filter((peerId) => isDue(verdicts.get(peerId) ?? never))
      const fresh = dialsBack()
        .filter((peerId) => !known.includes(peerId))
        .slice(0, Math.max(0, judges - known.length))
      const free = [...due, ...fresh].filter((peerId) => !asking.has(peerId))
      await Promise.all(free.slice(0, judges - asking.size).map((peerId) => ask(peerId, wanted)))
    },
    forwarded(addresses) {
      const opened = addresses.filter((each) => !before.includes(each)).map((multiaddr) => ({ multiaddr, was: false }))
      const closed = before.filter((each) => !addresses.includes(each)).map((multiaddr) => ({ multiaddr, was: true }))
      before = [...addresses]
      const changed = [...opened, ...closed]
      for (const [peerId, verdict] of verdicts) verdicts.set(peerId, changed.reduce(without, verdict))
      for (const asked of asking.values()) asked.outdated.push(...changed)
    },
    get askedAt() {
      return [...asking.values()].at(0)?.at
    },
    get state() {
      return state()
    },
    get confirmed() {
      return confirmed()
    },
  }
}

/** An address that leads elsewhere than before, and what peers found there before. */
interface Changed {
  multiaddr: string
  was: boolean
}

function without(verdict: Verdict, { multiaddr, was }: Changed): Verdict {
  if (verdict.results.get(multiaddr) !== was) return verdict
  return { ...verdict, results: new Map([...verdict.results].filter(([each]) => each !== multiaddr)), isOutdated: true }
}

const never: Verdict = { at: Number.NEGATIVE_INFINITY, results: new Map(), isOutdated: false }
