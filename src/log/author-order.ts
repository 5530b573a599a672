import { placeOf } from '../lib/place-of.ts'
import { createRunningTime } from '../lib/running-time.ts'
import { createShares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'
import { authorOf, firstDrawn, messageId, type SignedMessage, sequenceNumber, sequenceOf } from '../model/signed-message.ts'
import type { LogStore } from '../store/log-store.ts'
import { createAnnouncers } from './announcers.ts'
import { createExpectedMessages, type Expected, type Fetch } from './expected.ts'
import { type HeldMessage, prolongs } from './held-message.ts'
import { createHolds } from './holds.ts'

/**
 * Keeps the messages of an author in the order of their sequence numbers on their way into the log. A message waits
 * only while it is known that an earlier one of its author may be missing: a peer has announced or listed it, or the
 * gateway has just come back and has not yet asked its peers what it missed. No message waits for longer than
 * `orderWaitMs`, or than `requestTimeoutMs` while a peer is being asked for an earlier one that it has listed, and none is
 * dropped here. Time in which the process stands still does not count.
 */
export interface AuthorOrder {
  start(): void
  /**
   * A peer says that it has these messages. Later ones of their authors wait for those that are not here, until they are
   * `missed`, or for twice `orderWaitMs` after the peer said so last. It does not count beyond the peer's share
   * (announcers.ts).
   */
  expect(ids: readonly string[], by: string): void
  /** `expect` of messages that the peer has listed and is asked for, until the result is disposed of. */
  fetching(ids: readonly string[], by: string): Fetching
  /** The peer was asked for these messages and has not sent them: they are expected of it no longer. */
  missed(ids: readonly string[], by: string): void
  /** Live messages wait until the result is disposed of, or for twice `orderWaitMs`, each for `orderWaitMs` at most. */
  holdLive(): Disposable
  /** Fetched messages wait until the result is disposed of, or for `orderWaitMs`. */
  holdPast(): Disposable
  /** The time now, for `turn`. */
  now(): number
  /**
   * Resolves when it is the turn of a live message; undefined when it is now. Messages of one author are let go in
   * order, those that are let go at once in one turn of the event loop.
   * @param since when it arrived
   */
  turn(message: SignedMessage, since: number): Promise<void> | undefined
  /**
   * `turn` of each of these messages, which are stored together: they wait for no other of the same list. False once it
   * has stopped: they are not to be stored before earlier ones, since they can be fetched again.
   */
  turnsOfPast(messages: SignedMessage[]): Array<Promise<boolean> | undefined>
  /** These messages are in the log, or are not let in: no other waits for them any longer. */
  settled(ids: Iterable<string>): void
  /** Resolves when no message waits, or after this many milliseconds. */
  idle(maxMs: number): Promise<void>
  /** Lets everything go, now and from now on. */
  stop(): void
}

/** A peer's messages that are being fetched. Those that have not come when it is disposed of are expected of it no longer. */
export interface Fetching extends Disposable {
  /**
   * The peer is being asked for these of them. Until `requestTimeoutMs` later, live messages wait on for any of the page,
   * and fetched ones for these: they are waited for by pages in their turn.
   */
  request(ids: readonly string[]): void
}

export type AuthorOrderLimits = Pick<Limits, 'orderWaitMs' | 'maxOrderBytes' | 'requestTimeoutMs'>

interface Author {
  readonly held: HeldMessage[]
  timer?: NodeJS.Timeout | undefined
}

/** Memory cost of a message in addition to its data, in bytes. */
const overheadBytes = 512

const nothing: ReadonlySet<string> = new Set()

export function createAuthorOrder(init: { limits: AuthorOrderLimits }, components: { log: Pick<LogStore, 'unknown'> }): AuthorOrder {
  const { orderWaitMs, maxOrderBytes, requestTimeoutMs } = init.limits
  const longWaitMs = Math.max(orderWaitMs, requestTimeoutMs)
  const time = createRunningTime()
  const announcers = createAnnouncers()
  const expected = createExpectedMessages({ keptMs: 2 * orderWaitMs }, { log: components.log, announcers, now: time.now })
  /** Authors of messages that wait. */
  const authors = new Map<string, Author>()
  const holding = { now: time.now, onEnd: () => reviewAll([...authors.keys()]) }
  const liveHolds = createHolds({ maxMs: 2 * orderWaitMs }, holding)
  const pastHolds = createHolds({ maxMs: orderWaitMs }, holding)
  let stopped = false
  let idle: PromiseWithResolvers<void> | undefined
  const bytes = createShares({ max: maxOrderBytes })

  function settle(ids: Iterable<string>): void {
    reviewAll(expected.remove(ids))
  }

  /** The highest number that waits of an author, of those that have waited for longer than `orderWaitMs` or of all. */
  function lastHeld(name: string, isOverdue: boolean): bigint {
    return authors.get(name)?.held.findLast(({ until }) => !isOverdue || until <= time.now())?.sequence ?? -1n
  }

  /**
   * These messages are expected of the peer no longer. Those that others wait for count against it if it has answered, and
   * in any case those that others have waited for longer than `orderWaitMs`.
   */
  function withdraw(ids: readonly string[], by: string, isAnswered: boolean): void {
    const entries = ids.flatMap((id) => expected.get(id) ?? []).filter((entry) => entry.by.has(by))
    for (const [name, list] of Map.groupBy(entries, ({ author }) => author)) {
      const [last, lastOverdue] = [lastHeld(name, false), lastHeld(name, true)]
      const overdue = list.filter(({ sequence }) => sequence < lastOverdue)
      const inVain = isAnswered ? list.filter(({ sequence }) => sequence < last) : overdue
      if (inVain.length > 0) announcers.failed(by, idsOf(inVain))
      const long = overdue.filter((entry) => entry.by.get(by) !== undefined)
      if (long.length > 0) announcers.failedLong(by, name, idsOf(long))
    }
    reviewAll(expected.withdraw(ids, by))
  }

  const expire = () => reviewAll(expected.expire())

  /** Whether a message with this number has to wait for others of its author. */
  function isEarly(name: string, { sequence, isLive, beside }: Pick<HeldMessage, 'sequence' | 'isLive' | 'beside'>): boolean {
    if (isLive ? liveHolds.isOn : pastHolds.isOn) return true
    for (const entry of expected.of(name)) {
      if (entry.sequence >= sequence) return false
      if (!beside.has(entry.id)) return true
    }
    return false
  }

  /** Lets go what need not wait any longer, and what is before it. */
  function review(name: string, author: Author): void {
    const now = time.now()
    const overdue = author.held.filter(({ until }) => until <= now)
    const end = overdue.findLast(({ last }) => last <= now)
    if (end !== undefined) blameFetches(name, end)
    const fetched = overdue.length === 0 ? [] : expected.fetchedOf(name)
    const isOver = (held: HeldMessage) => held.until <= now && !fetched.some((entry) => prolongs(entry, held))
    const last = author.held.findLastIndex((held) => isOver(held) || !isEarly(name, held))
    const [missing] = expected.of(name)
    const inVain = missing !== undefined && overdue.some((held) => held.sequence > missing.sequence && isOver(held))
    if (inVain) for (const peerId of missing.by.keys()) announcers.failed(peerId, [missing.id])
    for (const held of author.held.splice(0, last + 1)) held.letGo()
    if (author.held.length > 0) watch(name, author)
    else forget(name, author)
  }

  /** A message has waited as long as it may for one that is being fetched: from now on its author has no long waits. */
  function blameFetches(name: string, held: HeldMessage): void {
    const entry = expected.fetchedOf(name).find((each) => prolongs(each, held))
    for (const [peerId, fetch] of entry?.by ?? [])
      if (entry !== undefined && fetch !== undefined) announcers.failedLong(peerId, name, [entry.id])
  }

  /** Watches for when one of an author's messages has waited long enough, or a message is no longer expected. */
  function watch(name: string, author: Author): void {
    const now = time.now()
    const end = Math.min(...author.held.map(({ until, last }) => (until > now ? until : last)), expected.firstEnd)
    const onEnd = () => {
      expire()
      review(name, author)
    }
    clearTimeout(author.timer)
    // Less time may be over then, if the process stands still meanwhile. It is looked at again.
    author.timer = setTimeout(onEnd, Math.max(0, end - now) + 1)
  }

  function forget(name: string, author: Author): void {
    clearTimeout(author.timer)
    if (authors.get(name) === author) authors.delete(name)
    if (authors.size === 0) idle?.resolve()
  }

  /**
   * Holds a message if it has to wait. Without room for it, none of its author is held any longer, or none at all.
   */
  function hold(message: SignedMessage, wait: Pick<HeldMessage, 'isLive' | 'beside'> & { since: number }): Promise<void> | undefined {
    const { from: name, data } = message
    const { since, ...how } = wait
    const held = { ...how, until: since + orderWaitMs, last: since + longWaitMs, sequence: sequenceNumber(message.sequence) }
    const size = data.length + overheadBytes
    if (stopped || held.sequence >= firstDrawn || !isEarly(name, held)) return undefined
    const refusal = bytes.refusal(name, size)
    if (refusal !== undefined) {
      for (const each of refusal === 'all' ? [...authors.keys()] : [name]) giveUp(each)
      return undefined
    }
    const author = authors.get(name) ?? { held: [] }
    authors.set(name, author)
    const { promise, resolve } = Promise.withResolvers<void>()
    const place = bytes.hold(name, size)
    const letGo = () => {
      place[Symbol.dispose]()
      resolve()
    }
    author.held.splice(placeOf(author.held, held.sequence), 0, { ...held, letGo })
    // It is here, so later ones need not wait for it, but only for what it waits for.
    settle([messageId(name, message.sequence)])
    if (author.held.length > 0) watch(name, author)
    void expected.lookUp(name, { last: () => lastHeld(name, false), found: settle })
    return promise
  }

  function giveUp(name: string): void {
    const author = authors.get(name)
    if (author === undefined) return
    for (const held of author.held.splice(0)) held.letGo()
    forget(name, author)
  }

  function isHeld(name: string, sequence: bigint): boolean {
    const held = authors.get(name)?.held ?? []
    return held[placeOf(held, sequence)]?.sequence === sequence
  }

  function reviewAll(names: Iterable<string>): void {
    for (const name of names) {
      const author = authors.get(name)
      if (author !== undefined) review(name, author)
    }
  }

  function expect(ids: readonly string[], by: string, fetch?: Fetch): void {
    expire()
    for (const id of ids) {
      // What is held is here, and waits itself.
      if (!isHeld(authorOf(id), sequenceOf(id))) expected.add(id, by, fetch)
    }
  }

  return {
    start: time.start,
    now: time.now,
    expect: (ids, by) => expect(ids, by),
    fetching(ids, by) {
      const fetch = { endsAt: time.now() + requestTimeoutMs, requested: nothing }
      expect(ids, by, fetch)
      return {
        request(requested) {
          fetch.endsAt = time.now() + requestTimeoutMs
          fetch.requested = new Set(requested)
          expect(requested, by, fetch)
        },
        [Symbol.dispose]: () => withdraw(ids, by, false),
      }
    },
    missed: (ids, by) => withdraw(ids, by, true),
    holdLive: liveHolds.begin,
    holdPast: pastHolds.begin,
    turn(message, since) {
      if (expected.size === 0 && !liveHolds.isOn) return undefined
      expire()
      return hold(message, { since, isLive: true, beside: nothing })
    },
    turnsOfPast(list) {
      if (stopped) return list.map(async () => false)
      if (expected.size === 0 && !pastHolds.isOn) return list.map(() => undefined)
      expire()
      const beside = new Set(list.map(({ from, sequence }) => messageId(from, sequence)))
      const since = time.now()
      return list.map((message) => hold(message, { since, isLive: false, beside })?.then(() => !stopped))
    },
    settled(ids) {
      const all = [...ids]
      announcers.came(all)
      if (expected.size > 0) settle(all)
    },
    async idle(maxMs) {
      if (authors.size === 0) return
      idle = Promise.withResolvers()
      const timer = setTimeout(idle.resolve, maxMs)
      await idle.promise
      clearTimeout(timer)
    },
    stop() {
      stopped = true
      time.stop()
      for (const each of [liveHolds, pastHolds]) each.endAll()
      for (const name of [...authors.keys()]) giveUp(name)
    },
  }
}

function idsOf(entries: readonly Expected[]): string[] {
  return entries.map(({ id }) => id)
}
