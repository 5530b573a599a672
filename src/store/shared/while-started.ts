import { StoreUnavailable } from '../../errors.ts'
import type { DamageNews } from './damage.ts'

/** What a store has open between its start and its stop. */
export interface WhileStarted<Open> {
  /** Opens everything, once however often it is called. @throws what opening throws; the next start tries again */
  start(): Promise<void>
  /** Closes everything. Does nothing when it is not open. */
  stop(): Promise<void>
  /** @throws StoreUnavailable when it is not open */
  opened(): Open
  readonly isOpen: boolean
}

export function createWhileStarted<Open extends { close(): Promise<void> }>(components: {
  openAll(): Promise<Open>
  damage: Pick<DamageNews, 'failed'>
}): WhileStarted<Open> {
  const { openAll, damage } = components
  let opening: Promise<Open> | undefined
  let open: Open | undefined

  return {
    async start() {
      opening ??= openAll()
      try {
        open = await opening
      } catch (error) {
        opening = undefined
        damage.failed(error)
        throw error
      }
    },
    async stop() {
      const closing = open
      opening = undefined
      open = undefined
      await closing?.close()
    },
    opened() {
      if (open === undefined) throw new StoreUnavailable('The database is not open.')
      return open
    },
    get isOpen() {
      return open !== undefined
    },
  }
}
