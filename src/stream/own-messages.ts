import { createOwnSeqs, type OwnSeqs } from '../log/own-seqs.ts'
import type { Seq } from '../model/cursor.ts'
import type { Client } from './client.ts'

/** What connections have published, for their subscriptions with `own: false`. */
export interface OwnMessages {
  /**
   * Notes a run of seqs that the client has published: before any subscription is shown them, unless another gateway of
   * the database appends in the same instant, and this one reads both.
   */
  add(client: Client, first: Seq, last: Seq): void
  has(client: Client, seq: Seq): boolean
}

/** Maximum runs of seqs remembered of a connection, about 50 bytes each: those that a subscription may still read. */
const maxRuns = 1_000

export function createOwnMessages(): OwnMessages {
  const seqsOf = new WeakMap<Client, OwnSeqs>()
  return {
    add(client, first, last) {
      const positions = Array.from(client.subscriptions.values()).flatMap(({ own, position }) => (own ? [] : position))
      if (positions.length === 0) {
        seqsOf.delete(client)
        return
      }
      const seqs = seqsOf.get(client) ?? createOwnSeqs({ maxRuns })
      seqs.forget(Math.min(...positions))
      seqs.add(first, last)
      seqsOf.set(client, seqs)
    },
    has: (client, seq) => seqsOf.get(client)?.has(seq) === true,
  }
}
