import { compareDistance, type Place, placeOfPeer } from '../../key-space.ts'
import type { Contact, DhtAnswer } from './frames.ts'
import type { DhtNodeLimits } from './limits.ts'

/**
 * Finds the peers closest to a place by asking ever closer ones (Kademlia §2.3), on disjoint paths (S/Kademlia §4.4),
 * so that a hostile peer misleads one path at most.
 */
export interface LookupInit {
  target: Place
  limits: DhtNodeLimits
  /** The closest known peers, which are asked first. */
  start: Contact[]
  self: string
}

export interface LookupComponents {
  /** @throws Error when the peer does not answer; NotAsked when it was not asked */
  ask(contact: Contact): Promise<DhtAnswer>
  /** An answer has arrived. Returning true ends the lookup. */
  onAnswer(contact: Contact, answer: DhtAnswer, hops: number): Promise<boolean> | boolean
  signal: AbortSignal
}

/**
 * A peer was not asked, because this node has no room for a link or wants none with it. Does not count as the peer's
 * failure.
 */
export class NotAsked extends Error {
  override readonly name = 'NotAsked'
}

export interface LookupResult {
  /** The peers that have answered, the closest first. */
  closest: Contact[]
  /** Hops from this node to the closest of them. */
  hops: number
  asked: number
}

interface Candidate {
  contact: Contact
  place: Place
  hops: number
  state: 'new' | 'asked' | 'answered' | 'failed'
}

interface Path {
  candidates: Candidate[]
  underWay: number
}

/** @throws the signal's reason */
export async function lookUp(init: LookupInit, components: LookupComponents): Promise<LookupResult> {
  const { target, limits, self } = init
  const { ask, onAnswer, signal } = components
  const closer = (a: Candidate, b: Candidate) => compareDistance(target, a.place, b.place)
  /** Peers that were asked on any path. */
  const asked = new Set<string>([self])
  const answered: Candidate[] = []
  const done = Promise.withResolvers<void>()
  let ended = false

  function end(): void {
    ended = true
    done.resolve()
  }

  function add(path: Path, contact: Contact, hops: number): void {
    if (asked.has(contact.peerId) || path.candidates.some((known) => known.contact.peerId === contact.peerId)) return
    const place = placeOrNothing(contact.peerId)
    if (place === undefined || contact.multiaddrs.length === 0) return
    path.candidates.push({ contact, place, hops, state: 'new' })
    path.candidates.sort(closer)
    if (path.candidates.length > limits.maxCandidates) path.candidates.splice(limits.maxCandidates)
  }

  /** The next peer to ask on a path; undefined once its closest peers have answered. */
  function next(path: Path): Candidate | undefined {
    let considered = 0
    for (const candidate of path.candidates) {
      if (candidate.state === 'failed') continue
      if (candidate.state === 'new') {
        if (!asked.has(candidate.contact.peerId)) return candidate
        // Another path has asked it.
        candidate.state = 'failed'
        continue
      }
      if (++considered >= limits.pathWidth) return undefined
    }
    return undefined
  }

  async function step(path: Path, candidate: Candidate): Promise<void> {
    candidate.state = 'asked'
    asked.add(candidate.contact.peerId)
    path.underWay++
    try {
      const answer = await ask(candidate.contact)
      candidate.state = 'answered'
      answered.push(candidate)
      for (const contact of answer.closer ?? []) add(path, contact, candidate.hops + 1)
      if (!ended && (await onAnswer(candidate.contact, answer, candidate.hops))) end()
    } catch {
      if (candidate.state === 'asked') candidate.state = 'failed'
    } finally {
      path.underWay--
      walk(path)
    }
  }

  function walk(path: Path): void {
    while (!ended && path.underWay < limits.askedAtOnce) {
      const candidate = next(path)
      if (candidate === undefined) break
      void step(path, candidate)
    }
    if (paths.every(({ underWay }) => underWay === 0)) end()
  }

  const paths: Path[] = Array.from({ length: limits.paths }, () => ({ candidates: [], underWay: 0 }))
  init.start.forEach((contact, index) => {
    const path = paths[index % paths.length]
    if (path !== undefined) add(path, contact, 1)
  })
  signal.addEventListener('abort', end)
  for (const path of paths) walk(path)
  await done.promise
  signal.removeEventListener('abort', end)
  const sorted = answered.toSorted(closer)
  return { closest: sorted.slice(0, limits.k).map(({ contact }) => contact), hops: sorted[0]?.hops ?? 0, asked: asked.size - 1 }
}

function placeOrNothing(peerId: string): Place | undefined {
  try {
    return placeOfPeer(peerId)
  } catch {
    return undefined
  }
}
