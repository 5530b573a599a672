/** The result of a benchmark: figures beside the limit of the same machine in the same run. */
export interface BenchResult {
  name: string
  rows: BenchRow[]
  /** What a reader must know of it, such as what was not measured. */
  notes?: string[]
}

export interface BenchRow {
  label: string
  value: number
  unit: string
  /** The value divided by the limit. */
  ofLimit?: number
  /** The value divided by that of programs beside it. */
  besides?: Array<{ name: string; ratio: number }>
}

/** Whether a larger value is better: it is a rate. */
export function moreIsBetter({ unit }: Pick<BenchRow, 'unit'>): boolean {
  return unit.endsWith('/s')
}
