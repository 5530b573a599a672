import type { LogQuery } from '../../../src/store/log-store.ts'
import type { Store } from '../../../src/store/store.ts'

export const otherAuthor = '12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7'
export const firstTime = 1_700_000_000_000

/** Reads to the end, step by step. */
export async function scan(store: Store, query: Partial<LogQuery> = {}): Promise<number[]> {
  const { tip } = await store.log.position()
  const whole = { after: 0, order: 'asc' as const, limit: 1_000, ...query, through: query.through ?? tip }
  const seqs: number[] = []
  for (;;) {
    const step = await store.log.read(whole)
    seqs.push(...step.messages.map(({ seq }) => seq))
    if (whole.order === 'asc') whole.after = step.scanned
    else whole.through = step.scanned
    if (whole.after >= whole.through) return seqs
  }
}
