import { BoundedMap } from '../../../lib/bounded-map.ts'
import type { OverlayLimits } from './limits.ts'

/**
 * The paths back of walks that passed this node, so that an answer needs no link to the origin. Bounded by number and
 * time.
 */
export interface Walks {
  /** A token for a walk that begins here. */
  begin(): string
  /** A walk passes. False when its token is known, so that a walk crosses a node once. */
  pass(token: string, from: string): boolean
  /** The walk is answered here, and needs no path back. */
  end(token: string): void
  /**
   * The receiver of an answer: the neighbour that the walk came from, or `self`; undefined after `maxAnswers` answers.
   */
  back(token: string): { to: string } | 'self' | undefined
  /** Removes expired walks. */
  sweep(): void
  readonly size: number
}

/** Answers of one walk that are passed back. */
const maxAnswers = 4

export function createWalks(init: { limits: OverlayLimits }, components: { now(): number; random(): number }): Walks {
  const { limits } = init
  const { now, random } = components
  const walks = new BoundedMap<string, { from: string | undefined; at: number; answers: number }>({ max: limits.maxWalks })

  function note(token: string, from: string | undefined): void {
    walks.set(token, { from, at: now(), answers: 0 })
  }

  return {
    begin() {
      const token = Math.floor(random() * 2 ** 48).toString(36) + Math.floor(random() * 2 ** 48).toString(36)
      note(token, undefined)
      return token
    },
    pass(token, from) {
      if (walks.has(token)) return false
      note(token, from)
      return true
    },
    end: (token) => walks.delete(token),
    back(token) {
      const walk = walks.get(token)
      if (walk === undefined) return undefined
      if (++walk.answers === maxAnswers) walks.delete(token)
      return walk.from === undefined ? 'self' : { to: walk.from }
    },
    sweep() {
      const until = now() - limits.walkMs
      walks.deleteWhile(({ at }) => at < until)
    },
    get size() {
      return walks.size
    },
  }
}
