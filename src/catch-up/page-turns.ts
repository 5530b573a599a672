import { authorOf, firstDrawn, sequenceOf } from '../model/signed-message.ts'

/**
 * The turns of peers whose logs are read at the same time. What a peer lists waits while the log of another one, which
 * has given earlier messages of the same authors, has a further page: that page may have earlier ones still. Logs are
 * compared by the times at which messages were first received, which rise with the numbers of their author.
 */
export interface PageTurns {
  /** The log of a peer is read until the result is disposed of. */
  reading(): PagesOfLog
}

export interface PagesOfLog extends Disposable {
  /** The log has this page. */
  listed(page: ListedPage): void
  /** Resolves when it is the turn of these messages of the page, which takes `maxMs` at most; undefined when it is now. */
  turn(messages: readonly Seen[]): Promise<void> | undefined
}

/** A listed message, and when a gateway received it first, in milliseconds since 1970. */
export interface Seen {
  id: string
  firstSeenAt: number
}

export interface ListedPage {
  /** The messages of the page that are not here. */
  missing: readonly Seen[]
  /** When the latest message of the page was first received. */
  until: number
  /** Whether another page follows. */
  hasNext: boolean
}

/**
 * Milliseconds without any waits after one has timed out, so that a peer that serves its log slowly delays the others only once.
 */
const pauseMs = 600_000

/** A log whose next page may have messages of these authors from after a time. */
interface Log {
  authors: ReadonlySet<string>
  until: number
}

interface Waiting {
  log: Log
  /** By author, the first of the messages that wait. */
  first: ReadonlyMap<string, number>
  letGo(): void
}

/** @param init.maxMs milliseconds for which messages wait at most */
export function createPageTurns({ maxMs }: { maxMs: number }): PageTurns {
  /** Those of which a page is known. */
  const logs = new Set<Log>()
  const waiting = new Set<Waiting>()
  let pausedUntil = Number.NEGATIVE_INFINITY

  function isEarly({ log, first }: Pick<Waiting, 'log' | 'first'>): boolean {
    for (const other of logs) {
      if (other === log) continue
      for (const [author, at] of first) if (at > other.until && other.authors.has(author)) return true
    }
    return false
  }

  function review(): void {
    for (const each of waiting) if (!isEarly(each)) each.letGo()
  }

  async function wait(place: Pick<Waiting, 'log' | 'first'>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const each = { ...place, letGo: resolve }
    const end = setTimeout(() => {
      pausedUntil = performance.now() + pauseMs
      for (const other of waiting) other.letGo()
    }, maxMs)
    waiting.add(each)
    await promise
    waiting.delete(each)
    clearTimeout(end)
  }

  return {
    reading() {
      const log: Log = { authors: new Set(), until: Number.NEGATIVE_INFINITY }
      return {
        listed({ missing, until, hasNext }) {
          // Numbers that are drawn at random give no order.
          log.authors = new Set(missing.flatMap(({ id }) => (sequenceOf(id) < firstDrawn ? authorOf(id) : [])))
          log.until = Math.max(log.until, until)
          if (hasNext) logs.add(log)
          else logs.delete(log)
          review()
        },
        turn(messages) {
          if (performance.now() < pausedUntil) return undefined
          const byAuthor = Map.groupBy(messages, ({ id }) => authorOf(id))
          const first = new Map(Array.from(byAuthor, ([author, list]) => [author, Math.min(...list.map(({ firstSeenAt }) => firstSeenAt))]))
          return isEarly({ log, first }) ? wait({ log, first }) : undefined
        },
        [Symbol.dispose]() {
          logs.delete(log)
          review()
        },
      }
    },
  }
}
