import { createShares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'
import { authorOf, firstDrawn, messageId, type SignedMessage, sequenceNumber, sequenceOf } from '../model/signed-message.ts'
import type { LogStore } from '../store/log-store.ts'
import { createAnnouncers } from './announcers.ts'
import { type Expected, type ExpectedOf, lookUp, placeOf } from './expected.ts'

/**
 * Keeps the messages of an author in the order of their sequence numbers on their way into the log. A message waits
 * only while it is known that an earlier one of its author may be missing: a peer has announced or listed it, or the
 * gateway has just come back and has not yet asked its peers what it missed. No message waits for longer than
 * `orderWaitMs`, and none is dropped here.
 */
export interface AuthorOrder {
  /**
   * A peer says that it has these messages. Later ones of their authors wait for those that are not here, until the
   * result is disposed of, or for twice `orderWaitMs` after the peer said so last. It does not count beyond the peer's
   * share (announcers.ts).
   */
  expect(ids: readonly string[], by: string): Disposable
  /** The peer was asked for these messages and has not sent them: they are expected of it no longer. */
  missed(ids: readonly string[], by: string): void
  /** Live messages wait until the result is disposed of, or for twice `orderWaitMs`, each for `orderWaitMs` at most. */
  holdLive(): Disposable
  /**
   * Resolves when it is the turn of a live message; undefined when it is now. Messages of one author are let go in
   * order, those that are let go at once in one turn of the event loop.
   * @param since when it arrived, by the monotonic clock
   */
  turn(message: SignedMessage, since: number): Promise<void> | undefined
  /** `turn` of messages that are stored together: they wait for no other message of the same list. */
  turnOfPast(messages: SignedMessage[]): Promise<void> | undefined
  /** These messages are in the log, or are not let in: no other waits for them any longer. */
  settled(ids: Iterable<string>): void
  /** Lets everything go, now and from now on. */
  stop(): void
}

export type AuthorOrderLimits = Pick<Limits, 'orderWaitMs' | 'maxOrderBytes'>

/** Peers of which one message is expected. */
const maxBy = 8

interface Held {
  readonly sequence: bigint
  readonly until: number
  /** Whether live messages are waited for as well. */
  readonly isLive: boolean
  /** Expected messages that come together with this one. */
  readonly beside: ReadonlySet<string>
  letGo(): void
}

interface Author extends ExpectedOf {
  readonly held: Held[]
  timer?: NodeJS.Timeout | undefined
}

/** Memory cost of a message in addition to its data, in bytes. */
const overheadBytes = 512

const nothing: ReadonlySet<string> = new Set()

export function createAuthorOrder(init: { limits: AuthorOrderLimits }, components: { log: Pick<LogStore, 'unknown'> }): AuthorOrder {
  const { orderWaitMs, maxOrderBytes } = init.limits
  const { log } = components
  const authors = new Map<string, Author>()
  /** By id. */
  const expected = new Map<string, Expected>()
  const announcers = createAnnouncers()
  const holds = new Set<Disposable>()
  let stopped = false
  const bytes = createShares({ max: maxOrderBytes })

  function authorNamed(name: string): Author {
    const known = authors.get(name) ?? { expected: [], held: [], toLookUp: 0, isLookingUp: false }
    authors.set(name, known)
    return known
  }

  function forgetIdle(name: string, author: Author): void {
    if (author.held.length > 0 || author.expected.length > 0) return
    clearTimeout(author.timer)
    if (authors.get(name) === author) authors.delete(name)
  }

  function removeExpected({ author: name, sequence, place }: Expected): void {
    place[Symbol.dispose]()
    const author = authors.get(name)
    if (author === undefined) return
    const at = placeOf(author.expected, sequence)
    if (author.expected[at]?.sequence !== sequence) return
    const [removed] = author.expected.splice(at, 1)
    if (removed?.isLookedUp === false) author.toLookUp--
  }

  /** Removes ids that are expected no longer, and reviews each of their authors once: there may be thousands of one. */
  function settle(ids: Iterable<string>): void {
    const touched = new Set<string>()
    for (const id of ids) {
      const entry = expected.get(id)
      if (entry === undefined) continue
      expected.delete(id)
      removeExpected(entry)
      touched.add(entry.author)
    }
    for (const name of touched) {
      const author = authors.get(name)
      if (author !== undefined) review(name, author)
    }
  }

  /** These messages are expected of the peer no longer, and not at all if of no other. */
  function withdraw(ids: readonly string[], by: string): void {
    settle(
      ids.filter((id) => {
        const entry = expected.get(id)
        return entry?.by.delete(by) === true && entry.by.size === 0
      }),
    )
  }

  /** The entry becomes the last one, as it ends last. */
  function renew(id: string, entry: Expected, until: number): void {
    entry.until = until
    expected.delete(id)
    expected.set(id, entry)
  }

  /** Whether a message that has come waits for this one. */
  function delays({ author, sequence }: Expected): boolean {
    return (authors.get(author)?.held.at(-1)?.sequence ?? sequence) > sequence
  }

  /** All are expected for the same time, so the first ends first. */
  function expire(): void {
    const now = performance.now()
    const over: string[] = []
    for (const [id, { until }] of expected) {
      if (until > now) break
      over.push(id)
    }
    settle(over)
  }

  /** Whether a message with this number has to wait for others of its author. */
  function isEarly(
    name: string,
    author: Author | undefined,
    { sequence, isLive, beside }: Pick<Held, 'sequence' | 'isLive' | 'beside'>,
  ): boolean {
    if (isLive && holds.size > 0) return true
    if (beside.size === 0) return (author?.expected[0]?.sequence ?? sequence) < sequence
    for (const entry of author?.expected ?? []) {
      if (entry.sequence >= sequence) return false
      if (!beside.has(`${name}.${entry.sequence}`)) return true
    }
    return false
  }

  /** Lets go what need not wait any longer, and what is before it. */
  function review(name: string, author: Author): void {
    const now = performance.now()
    const last = author.held.findLastIndex((held) => held.until <= now || !isEarly(name, author, held))
    const [missing] = author.expected
    const inVain = missing !== undefined && author.held.some(({ until, sequence }) => until <= now && sequence > missing.sequence)
    if (inVain) for (const peerId of missing.by) announcers.failed(peerId, [`${name}.${missing.sequence}`])
    for (const held of author.held.splice(0, last + 1)) held.letGo()
    if (author.held.length > 0) watch(name, author)
    else forgetIdle(name, author)
  }

  /** Reviews an author when one of its messages has waited long enough, or when a message is no longer expected. */
  function watch(name: string, author: Author): void {
    const [first] = expected.values()
    const end = Math.min(...author.held.map(({ until }) => until), first?.until ?? Number.POSITIVE_INFINITY)
    const onEnd = () => {
      expire()
      review(name, author)
    }
    clearTimeout(author.timer)
    author.timer = setTimeout(onEnd, Math.max(0, end - performance.now()) + 1)
  }

  /**
   * Holds a message if it has to wait. Without room for it, none of its author is held any longer, or none at all.
   */
  function hold({ from: name, sequence, data }: SignedMessage, wait: Pick<Held, 'until' | 'isLive' | 'beside'>): Promise<void> | undefined {
    const held = { ...wait, sequence: sequenceNumber(sequence) }
    const size = data.length + overheadBytes
    if (stopped || held.sequence >= firstDrawn || !isEarly(name, authors.get(name), held)) return undefined
    const refusal = bytes.refusal(name, size)
    if (refusal !== undefined) {
      for (const [each, author] of refusal === 'all' ? [...authors] : [[name, authorNamed(name)] as const]) giveUp(each, author)
      return undefined
    }
    const author = authorNamed(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    const place = bytes.hold(name, size)
    const letGo = () => {
      place[Symbol.dispose]()
      resolve()
    }
    author.held.splice(placeOf(author.held, held.sequence), 0, { ...held, letGo })
    // It is here, so later ones need not wait for it, but only for what it waits for.
    settle([messageId(name, sequence)])
    if (author.held.length > 0) watch(name, author)
    void lookUp(name, author, { log, last: () => author.held.at(-1)?.sequence ?? 0n, found: settle })
    return promise
  }

  function giveUp(name: string, author: Author): void {
    for (const held of author.held.splice(0)) held.letGo()
    forgetIdle(name, author)
  }

  function isHeld(name: string, sequence: bigint): boolean {
    const held = authors.get(name)?.held ?? []
    return held[placeOf(held, sequence)]?.sequence === sequence
  }

  function reviewAll(): void {
    for (const [name, author] of [...authors]) review(name, author)
  }

  return {
    expect(ids, by) {
      expire()
      const until = performance.now() + 2 * orderWaitMs
      for (const id of ids) {
        const [name, sequence] = [authorOf(id), sequenceOf(id)]
        const known = expected.get(id)
        if (known !== undefined && known.by.size < maxBy && announcers.trusts(by)) known.by.add(by)
        if (known?.by.has(by) === true) renew(id, known, until)
        // What is held is here, and waits itself.
        if (known !== undefined || sequence >= firstDrawn || isHeld(name, sequence)) continue
        const place = announcers.place(by, name)
        if (place === undefined) continue
        const author = authorNamed(name)
        const entry = { author: name, sequence, until, by: new Set([by]), place, isLookedUp: false }
        author.expected.splice(placeOf(author.expected, sequence), 0, entry)
        author.toLookUp++
        expected.set(id, entry)
      }
      return { [Symbol.dispose]: () => withdraw(ids, by) }
    },
    missed(ids, by) {
      const inVain = ids.filter((id) => {
        const entry = expected.get(id)
        return entry?.by.has(by) === true && delays(entry)
      })
      if (inVain.length > 0) announcers.failed(by, inVain)
      withdraw(ids, by)
    },
    holdLive() {
      const held: Disposable = {
        [Symbol.dispose]() {
          clearTimeout(end)
          if (holds.delete(held) && holds.size === 0) reviewAll()
        },
      }
      const end = setTimeout(() => held[Symbol.dispose](), 2 * orderWaitMs)
      holds.add(held)
      return held
    },
    turn(message, since) {
      if (expected.size === 0 && holds.size === 0) return undefined
      expire()
      return hold(message, { until: since + orderWaitMs, isLive: true, beside: nothing })
    },
    turnOfPast(list) {
      if (expected.size === 0) return undefined
      expire()
      const beside = new Set(list.map(({ from, sequence }) => messageId(from, sequence)))
      const until = performance.now() + orderWaitMs
      const waits = list.flatMap((message) => hold(message, { until, isLive: false, beside }) ?? [])
      return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined)
    },
    settled(ids) {
      const all = [...ids]
      announcers.came(all)
      if (expected.size > 0) settle(all)
    },
    stop() {
      stopped = true
      for (const held of [...holds]) held[Symbol.dispose]()
      for (const [name, author] of [...authors]) giveUp(name, author)
    },
  }
}
