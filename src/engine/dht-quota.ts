import { DhtQuotaReached } from '../errors.ts'
import type { Limits } from '../limits.ts'

/** A stored record, and the peer that stored it. */
export interface Counted {
  /** The peer; undefined for this node's own records, or when unknown. */
  from: string | undefined
  /** The key of its address (`Asker`), if known. */
  host?: string | undefined
  /** The author of the record, when other peers may store it for the author. */
  author?: string | undefined
  bytes: number
}

/**
 * Counts stored DHT records, in total and by holder: the peer, its address, and the author. Each holder has a quarter
 * while others hold any, and three quarters when alone. A peer also has limits of its own.
 */
export interface DhtQuota {
  /** Checks that there is room for a record that replaces `replaced`. @throws DhtQuotaReached */
  check(record: Counted, replaced: Counted | undefined): void
  add(record: Counted): void
  remove(record: Counted): void
}

interface Amount {
  records: number
  bytes: number
}

export function createDhtQuota(
  init: { limits: Pick<Limits, 'maxDhtRecords' | 'maxDhtBytes' | 'maxDhtRecordsPerPeer' | 'maxDhtBytesPerPeer'> },
  components: { onRefused?: () => void } = {},
): DhtQuota {
  const { maxDhtRecords, maxDhtBytes, maxDhtRecordsPerPeer, maxDhtBytesPerPeer } = init.limits
  const { onRefused = () => undefined } = components
  const all = { records: maxDhtRecords, bytes: maxDhtBytes }
  const ofPeer = { records: maxDhtRecordsPerPeer, bytes: maxDhtBytesPerPeer }
  const share = { records: Math.max(1, Math.floor(maxDhtRecords / 4)), bytes: Math.floor(maxDhtBytes / 4) }
  const alone = less(all, share)
  const total = { records: 0, bytes: 0 }
  const byHolder = new Map<string, Amount>()

  function change(record: Counted, sign: 1 | -1): void {
    for (const amount of [total, ...holdersOf(record).map(amountOf)]) {
      amount.records += sign
      amount.bytes += sign * record.bytes
    }
    for (const holder of holdersOf(record)) if (byHolder.get(holder)?.records === 0) byHolder.delete(holder)
  }

  function amountOf(holder: string): Amount {
    const amount = byHolder.get(holder) ?? { records: 0, bytes: 0 }
    byHolder.set(holder, amount)
    return amount
  }

  /** Whether a holder has no room for a record. `left` is the total without `replaced`. */
  function isFull(holder: string, { bytes }: Counted, replaced: Counted | undefined, left: Amount): boolean {
    const held = byHolder.get(holder) ?? { records: 0, bytes: 0 }
    const mine = replaced !== undefined && holdersOf(replaced).includes(holder) ? less(held, sizeOf(replaced)) : held
    const most = left.records > mine.records ? share : alone
    return isBeyond(mine, bytes, most) || (holder.startsWith(peerPrefix) && isBeyond(mine, bytes, ofPeer))
  }

  return {
    check(record, replaced) {
      const left = replaced === undefined ? total : less(total, sizeOf(replaced))
      if (!isBeyond(left, record.bytes, all) && !holdersOf(record).some((holder) => isFull(holder, record, replaced, left))) return
      onRefused()
      throw new DhtQuotaReached(`There is no room left for records of ${record.from ?? 'this gateway'}.`)
    },
    add: (record) => change(record, 1),
    remove: (record) => change(record, -1),
  }
}

const peerPrefix = 'peer '

function holdersOf({ from, host, author }: Counted): string[] {
  return [
    ...(from === undefined ? [] : [`${peerPrefix}${from}`]),
    ...(host === undefined ? [] : [`host ${host}`]),
    ...(author === undefined ? [] : [`author ${author}`]),
  ]
}

function sizeOf({ bytes }: Counted): Amount {
  return { records: 1, bytes }
}

function less(from: Amount, what: Amount): Amount {
  return { records: from.records - what.records, bytes: from.bytes - what.bytes }
}

function isBeyond(held: Amount, bytes: number, max: Amount): boolean {
  return held.records + 1 > max.records || held.bytes + bytes > max.bytes
}
