/** Small binary records under string keys: what an engine keeps between starts. */
export interface RecordStore {
  get(key: string): Promise<Uint8Array | undefined>
  /** All puts and deletes, in one transaction; of several for one key the last counts. */
  write(batch: RecordWrite[]): Promise<void>
  /** The records whose key begins with the prefix, by key. */
  list(prefix: string): Promise<Array<{ key: string; value: Uint8Array }>>
}

/** Without a value the record is deleted. */
export interface RecordWrite {
  key: string
  value?: Uint8Array
}
