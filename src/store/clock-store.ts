/** The database's clock, and where the log's clock stood last. */
export interface ClockStore {
  read(): Promise<ClockReading>
  /**
   * Puts a checkpoint in the place of the one of generation `after`, 0 for none; answers false when another one is there. Generations of
   * several gateways so follow one upon another.
   */
  save(checkpoint: ClockCheckpoint, after: number): Promise<boolean>
}

export interface ClockReading {
  /** What the database's own clock says; undefined where it has none but that of this process. */
  wall: number | undefined
  checkpoint: ClockCheckpoint | undefined
}

/** An age and a wall time that go together, in milliseconds. */
export interface ClockCheckpoint {
  /** 1 at first, and one more with each step of the wall clock that was adopted. */
  generation: number
  age: number
  wall: number
}
