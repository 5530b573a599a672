/**
 * Keeps the position of a subscription while the program does not run. A message is handled when the loop asks for
 * the next value; then its cursor is saved. So after a crash the last messages may come again, and none is left out.
 * To handle each message exactly once, use no store: write `message.cursor` to your own database in the transaction
 * that has the effect of the message, and pass it as `after`.
 */
export interface CursorStore {
  /** The saved cursor; undefined before the first one. */
  load(): Promise<string | undefined>
  save(cursor: string): Promise<void>
}

/** For tests, and to go on in the same program. */
export function memoryCursors(cursor?: string): CursorStore {
  let saved = cursor
  return {
    load: async () => saved,
    save: async (cursor) => {
      saved = cursor
    },
  }
}

/** The part of `Storage` that is used. */
export interface CursorStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

/**
 * In a browser: `storageCursors(localStorage, 'orders')`.
 * @param key of its own for each subscription and user
 */
export function storageCursors(storage: CursorStorage, key: string): CursorStore {
  return {
    load: async () => storage.getItem(key) ?? undefined,
    save: async (cursor) => storage.setItem(key, cursor),
  }
}
