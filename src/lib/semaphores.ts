import { createSemaphore, type Semaphore, type SemaphoreInit } from './semaphore.ts'

/** A semaphore for each name, all alike. Only those with held places or a queue exist. */
export interface Semaphores {
  /** As `take` of the semaphore of this name. */
  take(name: string, signal: AbortSignal, holder?: string): Promise<Disposable | undefined>
  /** Number of semaphores. */
  readonly size: number
}

export function createSemaphores(init: SemaphoreInit): Semaphores {
  const all = new Map<string, Semaphore>()
  return {
    async take(name, signal, holder) {
      const semaphore = all.get(name) ?? createSemaphore(init)
      all.set(name, semaphore)
      using forgetting = new DisposableStack()
      forgetting.defer(() => {
        if (semaphore.size === 0) all.delete(name)
      })
      const place = await semaphore.take(signal, holder)
      if (place === undefined) return undefined
      const forget = forgetting.move()
      return {
        [Symbol.dispose]() {
          place[Symbol.dispose]()
          forget.dispose()
        },
      }
    },
    get size() {
      return all.size
    },
  }
}
