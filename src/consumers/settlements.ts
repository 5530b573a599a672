import { ParametersConflict } from '../errors.ts'
import { type AckVerdict, parseClaim } from '../model/consumer.ts'
import type { ConsumerRecord, ConsumerSettings, ConsumerStore, ItemVerdict } from '../store/consumer-store.ts'

export interface Settlement {
  /** For `ack` and `drop`: messages; another worker may have them. */
  ids?: string[] | undefined
  /** For all verdicts: deliveries (`formatClaim`). */
  claims?: string[] | undefined
  verdict: AckVerdict
  /** Milliseconds before a retry. */
  delayMs?: number | undefined
}

/** Verdicts of workers on their way to the store: those that come during a commit share the next one. */
export interface Settlements {
  /**
   * Resolves when they are durable; returns which of them settled an item. Undefined when the consumer is gone.
   * @throws StoreUnavailable
   */
  settle(verdicts: ItemVerdict[]): Promise<boolean[] | undefined>
  /** Resolves when the transaction that is under way, if there is one, has ended and its workers have room again. */
  current(): Promise<void> | undefined
}

interface Waiting {
  verdicts: ItemVerdict[]
  settled: PromiseWithResolvers<boolean[] | undefined>
}

/** The longest pause before a retry, in milliseconds, however often a message was tried. */
const lastBackoffMs = 3_600_000
/** Maximum verdicts in one transaction, if no request alone has more. */
const maxVerdicts = 1_000

export function createSettlements(
  init: Pick<ConsumerRecord, 'name' | 'createdAt'>,
  components: { store: Pick<ConsumerStore, 'settle'> },
): Settlements {
  const { name, createdAt } = init
  const waiting: Waiting[] = []
  let isRunning = false
  let current: PromiseWithResolvers<void> | undefined

  function takeBatch(): Waiting[] {
    const batch = waiting.splice(0, 1)
    let verdicts = batch[0]?.verdicts.length ?? 0
    for (let [next] = waiting; next !== undefined && verdicts + next.verdicts.length <= maxVerdicts; [next] = waiting) {
      verdicts += next.verdicts.length
      batch.push(...waiting.splice(0, 1))
    }
    return batch
  }

  async function run(): Promise<void> {
    isRunning = true
    while (waiting.length > 0) {
      const batch = takeBatch()
      current = Promise.withResolvers()
      try {
        const settled = await components.store.settle({ name, createdAt, verdicts: batch.flatMap(({ verdicts }) => verdicts) })
        let told = 0
        for (const each of batch) {
          each.settled.resolve(settled?.slice(told, told + each.verdicts.length))
          told += each.verdicts.length
        }
      } catch (error) {
        for (const each of batch) each.settled.reject(error)
      }
      // What waits for the verdicts comes before what waits for the transaction.
      setImmediate(current.resolve)
    }
    current = undefined
    isRunning = false
  }

  return {
    current: () => current?.promise,
    settle(verdicts) {
      const settled = Promise.withResolvers<boolean[] | undefined>()
      waiting.push({ verdicts, settled })
      // Those of the same turn of the event loop belong together.
      if (!isRunning) {
        isRunning = true
        setImmediate(() => void run())
      }
      return settled.promise
    },
  }
}

/**
 * The verdicts by the ids and claims that name them.
 * @param at age time
 * @throws ParametersConflict when they are not named as the verdict needs it
 */
export function verdictsOf(
  { ids, claims, verdict, delayMs }: Settlement,
  { backoffMs, ackWaitMs }: Pick<ConsumerSettings, 'backoffMs' | 'ackWaitMs'>,
  at: number,
): Map<string, ItemVerdict> {
  const pause = (attempt: number) => delayMs ?? Math.min(backoffMs * 2 ** Math.min(attempt - 1, 30), lastBackoffMs)
  const names = (ids === undefined) === (claims === undefined) ? undefined : (claims ?? ids)
  if (names === undefined) throw new ParametersConflict('Messages are named by "ids" or by "claims": one of them is needed, not both.')
  if (claims === undefined && (verdict === 'retry' || verdict === 'progress'))
    throw new ParametersConflict(`"${verdict}" is about a delivery: name it by its claim, in "claims".`)
  return new Map(
    names.map((name): [string, ItemVerdict] => {
      const item = claims === undefined ? { id: name, claim: '' } : parseClaim(name)
      if (verdict === 'retry') return [name, { ...item, verdict, dueAt: (attempt) => at + pause(attempt) }]
      return [name, verdict === 'progress' ? { ...item, verdict, dueAt: at + ackWaitMs } : { id: item.id, verdict }]
    }),
  )
}
