/** The database's clock, and the last checkpoint of the log's clock. */
export interface ClockStore {
  read(): Promise<ClockReading>
  /**
   * Replaces the checkpoint of generation `after` (0 for none). False when a different one is stored, so that the
   * generations of several gateways follow one another.
   */
  save(checkpoint: ClockCheckpoint, after: number): Promise<boolean>
}

export interface ClockReading {
  /** Time of the database's own clock; undefined when it has none but this process's. */
  wall: number | undefined
  checkpoint: ClockCheckpoint | undefined
}

/** An age time and the wall time at the same moment, in milliseconds. */
export interface ClockCheckpoint {
  /** Starts at 1, and rises by one with each adopted step of the wall clock. */
  generation: number
  age: number
  wall: number
}
