/** The result of a benchmark: figures beside the limit of the same machine in the same run. */
export interface BenchResult {
  name: string
  rows: BenchRow[]
}

export interface BenchRow {
  label: string
  value: number
  unit: string
  /** The value divided by the limit. */
  ofLimit?: number
}
