import { InvalidToken } from '../errors.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Grant } from '../model/grant.ts'
import type { Sessions } from './sessions.ts'
import type { Tokens } from './tokens.ts'

/**
 * Tells what uses a token or a session at this gateway when that ends. Ids of tokens and sessions share one namespace.
 */
export interface Endings {
  /** Whether the token or the session has ended, also if it ended while the grant was looked up. */
  has(grant: Pick<Grant, 'id' | 'session'>): boolean
  /**
   * Calls `onEnd` when the token or the session ends, until disposed of.
   * @throws InvalidToken when it has ended
   */
  watch(grant: Grant, onEnd: () => void): Disposable
  /** A token or a session has ended. Calls all watchers before it returns. */
  end(id: string): void
  /** Calls the watcher for each token and session that ends. Returns a function that ends the watch. */
  watchAll(watcher: (id: string) => void): () => void
  /** Ids of tokens and of sessions that are watched. */
  readonly watched: { tokens: string[]; sessions: string[] }
}

/** Milliseconds for which an end is remembered: no look-up of a grant takes longer. */
const rememberMs = 60_000

/** @param components.sources where tokens and sessions are ended at this gateway */
export function createEndings(components: { sources?: Array<Pick<Tokens | Sessions, 'watchEnds'>>; now?: () => number } = {}): Endings {
  const { sources = [], now = () => performance.now() } = components
  const all = createWatchers<[id: string]>()
  /** The time of each end, oldest first. */
  const ended = new Map<string, number>()
  const tokens = new Map<string, Set<() => void>>()
  const sessions = new Map<string, Set<() => void>>()

  function has({ id, session }: Pick<Grant, 'id' | 'session'>): boolean {
    return ended.has(id) || (session !== undefined && ended.has(session))
  }

  function end(id: string): void {
    const at = now()
    for (const [old, since] of ended) {
      if (at - since < rememberMs) break
      ended.delete(old)
    }
    ended.delete(id)
    ended.set(id, at)
    for (const kind of [tokens, sessions]) for (const onEnd of [...(kind.get(id) ?? [])]) onEnd()
    all.tell(id)
  }

  for (const source of sources) source.watchEnds(end)

  return {
    has,
    end,
    watchAll: all.watch,
    watch(grant, onEnd) {
      if (has(grant)) throw ofEndedToken()
      const places = [listenersOf(tokens, grant.id), ...(grant.session === undefined ? [] : [listenersOf(sessions, grant.session)])]
      for (const place of places) place.listeners.add(onEnd)
      return {
        [Symbol.dispose]() {
          for (const { kind, id, listeners } of places) {
            listeners.delete(onEnd)
            if (listeners.size === 0 && kind.get(id) === listeners) kind.delete(id)
          }
        },
      }
    },
    get watched() {
      return { tokens: [...tokens.keys()], sessions: [...sessions.keys()] }
    },
  }
}

export function ofEndedToken(): InvalidToken {
  return new InvalidToken('The token or the session has ended.')
}

function listenersOf(kind: Map<string, Set<() => void>>, id: string) {
  const listeners = kind.get(id) ?? new Set()
  kind.set(id, listeners)
  return { kind, id, listeners }
}
