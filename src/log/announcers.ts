import { createShares } from '../lib/shares.ts'
import { createFailures } from './failures.ts'

/**
 * What peers may make a gateway expect: a part of all messages that are expected, by peer and by author, as long as what
 * they announce comes.
 */
export interface Announcers {
  /** A place for a message that the peer announces. Undefined when its announcement does not count. */
  place(peerId: string, author: string): Disposable | undefined
  /** Others have waited for these messages, which the peer announced, in vain. */
  failed(peerId: string, ids: readonly string[]): void
  /** Others have waited for these messages of the author for longer than `orderWaitMs`, as the peer was asked for them. */
  failedLong(peerId: string, author: string, ids: readonly string[]): void
  /**
   * These messages have come. A failure all of whose messages came after all was none: the peer, or this gateway, was only
   * slow.
   */
  came(ids: Iterable<string>): void
  /** Whether its announcements count. */
  trusts(peerId: string): boolean
  /** Whether messages of the author wait for longer than `orderWaitMs` while the peer is asked for earlier ones. */
  trustsLong(peerId: string, author: string): boolean
}

/** Expected messages at most, about 400 bytes each: several pages of history. A page of one author must fit. */
const maxExpected = 20_000
const authorShare = 1 / 2
/** Waits in vain within ten minutes after which announcements of a peer no longer count. */
const maxFailures = 5
/** Those longer than `orderWaitMs` after which there are no long waits, for this peer and for messages of this author. */
const maxLongFailures = 1

export function createAnnouncers(): Announcers {
  const peers = createShares({ max: maxExpected })
  const authors = createShares({ max: maxExpected, share: authorShare })
  const failures = createFailures({ max: maxFailures })
  const longByPeer = createFailures({ max: maxLongFailures })
  const longByAuthor = createFailures({ max: maxLongFailures })

  const trusts = (peerId: string) => !failures.isFull(peerId)

  return {
    place(peerId, author) {
      if (!trusts(peerId) || authors.refusal(author) !== undefined) return undefined
      const places = [peers.take(peerId), authors.hold(author, 1)]
      const give = () => {
        for (const place of places) place?.[Symbol.dispose]()
      }
      if (places[0] !== undefined) return { [Symbol.dispose]: give }
      give()
      return undefined
    },
    failed: failures.note,
    failedLong(peerId, author, ids) {
      longByPeer.note(peerId, ids)
      longByAuthor.note(author, ids)
    },
    came(ids) {
      const all = [...ids]
      for (const each of [failures, longByPeer, longByAuthor]) each.came(all)
    },
    trusts,
    trustsLong: (peerId, author) => !longByPeer.isFull(peerId) && !longByAuthor.isFull(author),
  }
}
