import type { CursorStore } from './cursors.ts'

/** Saves one cursor at a time. While a save runs, only the newest of the others is kept. */
export class CursorSaver {
  readonly #store: CursorStore
  readonly #failed: (error: unknown) => void
  #next: string | undefined
  #running: Promise<void> | undefined

  constructor(init: { store: CursorStore; failed: (error: unknown) => void }) {
    this.#store = init.store
    this.#failed = init.failed
  }

  save(cursor: string): void {
    this.#next = cursor
    this.#running ??= this.#run()
  }

  /** Resolves when all that was to be saved is saved. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (this.#next !== undefined) {
        const cursor = this.#next
        this.#next = undefined
        await this.#store.save(cursor)
      }
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#running = undefined
    }
  }
}
