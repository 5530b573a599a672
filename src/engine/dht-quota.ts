import { DhtQuotaReached } from '../errors.ts'
import type { Limits } from '../limits.ts'

/** Something that is kept, and who left it here: undefined when it is this node's own, or nobody knows. */
export interface Counted {
  from: string | undefined
  bytes: number
}

/** Counts the records that are kept for the DHT, in all and by who left them. */
export interface DhtQuota {
  /** Whether there is room for another of the peer, in the place of `replaced`. @throws DhtQuotaReached */
  check(from: string, bytes: number, replaced: Counted | undefined): void
  add(record: Counted): void
  remove(record: Counted): void
}

export function createDhtQuota(init: {
  limits: Pick<Limits, 'maxDhtRecords' | 'maxDhtBytes' | 'maxDhtRecordsPerPeer' | 'maxDhtBytesPerPeer'>
}): DhtQuota {
  const { maxDhtRecords, maxDhtBytes, maxDhtRecordsPerPeer, maxDhtBytesPerPeer } = init.limits
  const total = { records: 0, bytes: 0 }
  const byPeer = new Map<string, { records: number; bytes: number }>()

  function change({ from, bytes }: Counted, sign: 1 | -1): void {
    total.records += sign
    total.bytes += sign * bytes
    if (from === undefined) return
    const mine = byPeer.get(from) ?? { records: 0, bytes: 0 }
    mine.records += sign
    mine.bytes += sign * bytes
    if (mine.records === 0) byPeer.delete(from)
    else byPeer.set(from, mine)
  }

  return {
    check(from, bytes, replaced) {
      const mine = byPeer.get(from) ?? { records: 0, bytes: 0 }
      const gone = replaced === undefined ? { records: 0, bytes: 0 } : { records: 1, bytes: replaced.bytes }
      const goneOfMine = replaced?.from === from ? gone : { records: 0, bytes: 0 }
      const over =
        total.records - gone.records >= maxDhtRecords ||
        total.bytes - gone.bytes + bytes > maxDhtBytes ||
        mine.records - goneOfMine.records >= maxDhtRecordsPerPeer ||
        mine.bytes - goneOfMine.bytes + bytes > maxDhtBytesPerPeer
      if (over) throw new DhtQuotaReached(`There is no more room for records of ${from}.`)
    },
    add: (record) => change(record, 1),
    remove: (record) => change(record, -1),
  }
}
