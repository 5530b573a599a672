/** Small binary records under string keys: state that an engine keeps across restarts. */
export interface RecordStore {
  get(key: string): Promise<Uint8Array | undefined>
  /** Applies all puts and deletes in one transaction; for repeated keys the last one counts. */
  write(batch: RecordWrite[]): Promise<void>
  /** Records whose key starts with the prefix, ordered by key. */
  list(prefix: string): Promise<Array<{ key: string; value: Uint8Array }>>
}

/** Without a value the record is deleted. */
export interface RecordWrite {
  key: string
  value?: Uint8Array
}
