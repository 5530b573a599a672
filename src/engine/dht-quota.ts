import { DhtQuotaReached } from '../errors.ts'
import type { Limits } from '../limits.ts'

/** Something that is kept, and who left it here. */
export interface Counted {
  /** The peer; undefined when it is this node's own, or nobody knows. */
  from: string | undefined
  /** What its address counts by (`Asker`), as far as it is known. */
  host?: string | undefined
  /** Whose record it is, when others may leave it for them. */
  author?: string | undefined
  bytes: number
}

/**
 * Counts the records that are kept for the DHT, in all and by who left them: a peer, its address, and their author each have a quarter while
 * others have any, and leave one free when they are alone. A peer also has limits of its own.
 */
export interface DhtQuota {
  /** Whether there is room for another record, in the place of `replaced`. @throws DhtQuotaReached */
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

  /** Whether a holder has no room for a record, when so much is held by all after `replaced` is gone. */
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
      throw new DhtQuotaReached(`There is no more room for records of ${record.from ?? 'this gateway'}.`)
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
