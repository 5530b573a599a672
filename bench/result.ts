/** What a benchmark found: figures beside the limit that the same machine has in the same run. */
export interface BenchResult {
  name: string
  rows: BenchRow[]
}

export interface BenchRow {
  label: string
  value: number
  unit: string
  /** The value as a share of the limit's. */
  ofLimit?: number
}
