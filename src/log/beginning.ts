import type { Seq } from '../model/cursor.ts'

/**
 * The place in the log at which to begin with a peer that has just been linked, keeps no log and is handed one message
 * per `pauseMs` (`peer:begins`). Nodes that are linked to it for longer may still have earlier messages waiting for it.
 * If the first that it is handed here were a later one of their authors, it would ignore those for good (Kubo, and
 * go-libp2p with `BasicSeqnoValidator`). So it is handed what may still wait elsewhere, in order: what it has already
 * it knows by the id.
 */
export interface Beginning {
  /** Messages for the peer, the newest first, each after those of the calls before. Returns false when it needs no more. */
  add(messages: ReadonlyArray<{ seq: Seq; storedAt: number }>): boolean
  /** The position after which to begin. */
  place(): Seq
}

/** Time beyond the computed one, for what is on its way between nodes, in milliseconds. */
const marginMs = 5_000
/** A node on a busy machine hands over at half of the pace. */
const slowness = 2
/** A queue is taken to have been empty once it would have had nothing to send for this long since, in milliseconds. */
const idleMs = 30_000
/** Peers remember the ids of messages for this long at least, in milliseconds. They would take older ones once more. */
const rememberedMs = 60_000
const maxMessages = 20_000

/**
 * @param init.now age time
 * @param init.tip the place to begin when there are no messages
 */
export function createBeginning({ now, pauseMs, tip }: { now: number; pauseMs: number; tip: Seq }): Beginning {
  const eachMs = slowness * pauseMs
  /** The newest first. */
  const seqs: Seq[] = []
  const times: number[] = []

  return {
    add(messages) {
      for (const { seq, storedAt } of messages) {
        const idle = now - storedAt - seqs.length * eachMs
        if (idle > marginMs + idleMs || now - storedAt > rememberedMs || seqs.length >= maxMessages) return false
        seqs.push(seq)
        times.push(storedAt)
      }
      return true
    },
    place() {
      // When each would have been sent by a node that was linked all the time.
      let sentAt = Number.NEGATIVE_INFINITY
      const first = seqs.findLastIndex((_, index) => {
        sentAt = Math.max(sentAt, times[index] ?? 0) + eachMs
        return sentAt > now - marginMs
      })
      return first === -1 ? tip : (seqs[first] ?? tip) - 1
    },
  }
}
