import { placeOf } from '../lib/place-of.ts'
import { authorOf, firstDrawn, sequenceOf } from '../model/signed-message.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Announcers } from './announcers.ts'

/**
 * The messages that peers say they have and that are not known to be here, in all and by author; and which of them peers
 * are being asked for. Times are running time (lib/running-time.ts).
 */
export interface ExpectedMessages {
  readonly size: number
  /** When the first of them ends. */
  readonly firstEnd: number
  /** Those of an author, by rising sequence number. */
  of(author: string): readonly Expected[]
  /** Those of an author that others wait for longer, since a peer is being asked for them. */
  fetchedOf(author: string): readonly Expected[]
  get(id: string): Expected | undefined
  /** The peer says that it has this message. Does nothing beyond the peer's share (announcers.ts). */
  add(id: string, by: string, fetch?: Fetch): void
  /** Returns the authors of which something was removed. */
  remove(ids: Iterable<string>): Set<string>
  /** These messages are expected of the peer no longer, and not at all if of no other. Returns what `remove` does. */
  withdraw(ids: readonly string[], by: string): Set<string>
  /** Removes those whose time is over, and for which no peer is being asked. Returns what `remove` does. */
  expire(): Set<string>
  /**
   * Asks the log for the messages that are expected of an author, up to the number that `last` gives, and calls `found`
   * with the ids of those that it has: the peer's link does not know them.
   */
  lookUp(author: string, components: { last(): bigint; found(ids: string[]): void }): Promise<void>
}

/** A message that peers say they have, and that is not known to be here. */
export interface Expected {
  readonly id: string
  readonly author: string
  readonly sequence: bigint
  readonly until: number
  /** The peers that it is expected of, and the fetches of those that have listed it. */
  readonly by: ReadonlyMap<string, Fetch | undefined>
}

/** The messages of a page are being fetched from a peer. */
export interface Fetch {
  /** The deadline of its latest request. */
  endsAt: number
  /** The ids of this request. */
  requested: ReadonlySet<string>
}

interface Entry extends Expected {
  until: number
  readonly by: Map<string, Fetch | undefined>
  readonly place: Disposable
}

/** What is expected of one author. */
interface Author {
  readonly entries: Entry[]
  /** Those that were not looked up yet, in the same order. */
  readonly toLookUp: Entry[]
  isLookingUp: boolean
}

/** Peers of which one message is expected, beside those that are being asked for it. */
const maxBy = 8
/** Ids that are looked up at once: a part of a millisecond. */
const lookedUpAtOnce = 200

/** @param init.keptMs milliseconds for which a message is expected after a peer said last that it has it */
export function createExpectedMessages(
  init: { keptMs: number },
  components: { log: Pick<LogStore, 'unknown'>; announcers: Announcers; now(): number },
): ExpectedMessages {
  const { log, announcers, now } = components
  const entries = new Map<string, Entry>()
  const authors = new Map<string, Author>()

  function insert(entry: Entry): void {
    const author = authors.get(entry.author) ?? { entries: [], toLookUp: [], isLookingUp: false }
    authors.set(entry.author, author)
    for (const list of [author.entries, author.toLookUp]) list.splice(placeOf(list, entry.sequence), 0, entry)
    entries.set(entry.id, entry)
  }

  function removeOf(entry: Entry): void {
    entry.place[Symbol.dispose]()
    const author = authors.get(entry.author)
    if (author === undefined) return
    for (const list of [author.entries, author.toLookUp]) {
      const place = placeOf(list, entry.sequence)
      if (list[place] === entry) list.splice(place, 1)
    }
    if (author.entries.length === 0) authors.delete(entry.author)
  }

  /** The entry becomes the last one, as it ends last. */
  function renew(entry: Entry): void {
    entry.until = now() + init.keptMs
    entries.delete(entry.id)
    entries.set(entry.id, entry)
  }

  function isFetched({ author, by }: Expected): boolean {
    for (const [peerId, fetch] of by) if (fetch !== undefined && fetch.endsAt > now() && announcers.trustsLong(peerId, author)) return true
    return false
  }

  function remove(ids: Iterable<string>): Set<string> {
    const touched = new Set<string>()
    for (const id of ids) {
      const entry = entries.get(id)
      if (entry === undefined) continue
      entries.delete(id)
      removeOf(entry)
      touched.add(entry.author)
    }
    return touched
  }

  return {
    get size() {
      return entries.size
    },
    get firstEnd() {
      const [first] = entries.values()
      return first?.until ?? Number.POSITIVE_INFINITY
    },
    of: (author) => authors.get(author)?.entries ?? [],
    fetchedOf: (author) => authors.get(author)?.entries.filter(isFetched) ?? [],
    get: (id) => entries.get(id),
    add(id, by, fetch) {
      const known = entries.get(id)
      if (known === undefined) {
        const [author, sequence] = [authorOf(id), sequenceOf(id)]
        const place = sequence >= firstDrawn ? undefined : announcers.place(by, author)
        if (place === undefined) return
        insert({ id, author, sequence, until: now() + init.keptMs, by: new Map([[by, fetch]]), place })
        return
      }
      const isOneMore = (known.by.size < maxBy || fetch !== undefined) && announcers.trusts(by)
      if (known.by.has(by) || isOneMore) known.by.set(by, fetch ?? known.by.get(by))
      if (known.by.has(by)) renew(known)
    },
    remove,
    withdraw(ids, by) {
      return remove(
        ids.filter((id) => {
          const entry = entries.get(id)
          return entry?.by.delete(by) === true && entry.by.size === 0
        }),
      )
    },
    expire() {
      const over: string[] = []
      for (const [id, entry] of entries) {
        if (entry.until > now()) break
        if (isFetched(entry)) renew(entry)
        else over.push(id)
      }
      return remove(over)
    },
    async lookUp(name, { last, found }) {
      const author = authors.get(name)
      if (author === undefined || author.isLookingUp) return
      author.isLookingUp = true
      try {
        for (;;) {
          const end = last()
          const asked = author.toLookUp.splice(0, Math.min(placeOf(author.toLookUp, end), lookedUpAtOnce))
          if (asked.length === 0) return
          const ids = asked.map(({ id }) => id)
          const unknown = new Set(await log.unknown(ids))
          found(ids.filter((id) => !unknown.has(id)))
        }
      } catch {
        // The wait has an end of its own.
      } finally {
        author.isLookingUp = false
      }
    },
  }
}
