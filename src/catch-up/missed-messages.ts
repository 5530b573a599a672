import type { Ingest } from '../log/ingest.ts'

/**
 * Messages that peers have announced and not sent. Their links may have lost them, and their logs have them: later
 * messages of the authors wait until the log has been looked through.
 */
export interface MissedMessages {
  /** The peer has not sent these messages, and its log is read next. */
  note(peerId: string, ids: readonly string[]): void
  /** The log of the peer is being read until the result is disposed of. */
  reading(peerId: string): ReadingOfLog
  /** The log of the peer is not read: its messages are given up. */
  gone(peerId: string): void
}

/** What has not been listed when it is disposed of is given up. */
export interface ReadingOfLog extends Disposable {
  /**
   * The peer has these messages, which are fetched.
   * @param isAll whether the log has no others: messages that stand in it after those it has not need not wait for them
   */
  listed(ids: readonly string[], isAll: boolean): void
}

/** Ids that are remembered of a peer, about 100 bytes each: as many as are waited for of one peer (log/announcers.ts). */
const maxOfPeer = 5_000

export function createMissedMessages(components: { order: Pick<Ingest['order'], 'missed'> }): MissedMessages {
  const { order } = components
  const missed = new Map<string, string[]>()

  function take(peerId: string): string[] {
    const ids = missed.get(peerId) ?? []
    missed.delete(peerId)
    return ids
  }

  return {
    note(peerId, ids) {
      const all = [...take(peerId), ...ids]
      missed.set(peerId, all.slice(0, maxOfPeer))
      order.missed(all.slice(maxOfPeer), peerId)
    },
    reading(peerId) {
      const left = new Set(take(peerId))
      const giveUp = () => {
        order.missed([...left], peerId)
        left.clear()
      }
      return {
        listed(ids, isAll) {
          for (const id of ids) left.delete(id)
          if (isAll) giveUp()
        },
        [Symbol.dispose]: giveUp,
      }
    },
    gone: (peerId) => order.missed(take(peerId), peerId),
  }
}
