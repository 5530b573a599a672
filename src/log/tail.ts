import type { Logger } from 'pino'
import { createLoop } from '../lib/loop.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Limits } from '../limits.ts'
import type { StoredMessage } from '../model/message.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Store, StoreChange } from '../store/store.ts'
import type { Hub } from './hub.ts'

/**
 * Brings the log's tail to the hub, in order: this gateway's batches as soon as they are appended, and between them
 * those of other gateways on the same database, read from the store.
 */
export interface LogTail {
  /** A durably appended batch of this gateway; `previousTip` is the log's tip before it. */
  append(previousTip: number, messages: StoredMessage[]): void
  /**
   * Reports messages that were read from the store, before the hub has them. Returns a function that ends the watch.
   */
  watchRead(watcher: (messages: StoredMessage[]) => void): () => void
  /** Reports that the log was replaced: positions that readers know are no longer valid. */
  watchReset(watcher: () => void): () => void
  start(): Promise<void>
  /** Finishes the current step. */
  stop(): Promise<void>
}

export interface LogTailComponents {
  store: Pick<Store, 'listen'> & { readonly log: Pick<LogStore, 'read'> }
  hub: Pick<Hub, 'tip' | 'append' | 'prune' | 'delete' | 'forget' | 'start'>
  logger: Logger
}

export type LogTailLimits = Pick<Limits, 'maxReadMessages' | 'maxReadBytes' | 'maxRingMessages'>

/**
 * Maximum number of own batches that wait for other gateways' messages before them. Beyond it, readers fetch from the
 * store.
 */
const maxWaiting = 64

export function createLogTail(init: { limits: LogTailLimits }, components: LogTailComponents): LogTail {
  const { maxReadMessages, maxReadBytes, maxRingMessages } = init.limits
  const { store, hub, logger } = components
  const reads = createWatchers<[messages: StoredMessage[]]>()
  const resets = createWatchers()
  const waiting: Array<{ previousTip: number; messages: StoredMessage[] }> = []
  let unlisten: (() => void) | undefined

  /** Appends the parts of own batches that the hub lacks, up to the first gap. */
  function appendWaiting(): void {
    for (let [first] = waiting; first !== undefined && first.previousTip <= hub.tip; [first] = waiting) {
      waiting.shift()
      const fresh = first.messages.filter(({ seq }) => seq > hub.tip)
      if (fresh.length > 0) hub.append(hub.tip, fresh)
    }
  }

  async function step(): Promise<boolean> {
    const after = hub.tip
    const [next] = waiting
    const bounds = next === undefined ? {} : { through: next.previousTip }
    const {
      messages,
      scanned,
      removed = [],
    } = await store.log.read({ after, ...bounds, order: 'asc', limit: maxReadMessages, maxBytes: maxReadBytes })
    if (scanned <= after) return false
    reads.tell(messages)
    // Live readers then read from the store, which reports what was removed.
    if (removed.length === 0) hub.append(after, messages)
    // The end of the range was pruned; nothing there is delivered.
    if (hub.tip < scanned) hub.append(scanned, [])
    appendWaiting()
    return true
  }

  async function catchUp(): Promise<void> {
    for (let read = 0; ; read++) {
      // Too far behind for the ring to hold it: readers read from the store themselves.
      if (read * maxReadMessages > maxRingMessages || waiting.length > maxWaiting) skip()
      if (!(await step())) return
    }
  }

  function skip(): void {
    const last = waiting.at(-1)
    if (last === undefined) return
    waiting.length = 0
    hub.append(last.previousTip, last.messages)
  }

  const reading = createLoop({
    work: catchUp,
    onError(err) {
      // Nothing is lost: the next batch or notice tries again, and readers that need the messages read them themselves.
      logger.warn({ err }, 'could not read what other gateways appended')
      skip()
    },
  })

  function onChange(change: StoreChange): void {
    switch (change.kind) {
      case 'everything':
        // A deletion may be among the notices that were lost.
        hub.forget()
        reading.ask()
        break
      case 'log':
        reading.ask()
        break
      case 'deleted':
        hub.delete(change.seq)
        break
      case 'pruned':
        hub.prune(change.topic, change)
        break
      case 'epoch':
        waiting.length = 0
        hub.start().then(resets.tell, (err: unknown) => logger.error({ err }, 'could not read the tip of the new log'))
        break
      case 'topics':
      case 'peers':
      case 'tokens':
      case 'identity':
        break
      default:
        change satisfies never
    }
  }

  return {
    append(previousTip, messages) {
      if (waiting.length === 0 && previousTip === hub.tip) {
        hub.append(previousTip, messages)
        return
      }
      waiting.push({ previousTip, messages })
      appendWaiting()
      if (waiting.length > 0) reading.ask()
    },
    watchRead: reads.watch,
    watchReset: resets.watch,
    async start() {
      unlisten = store.listen(onChange)
    },
    async stop() {
      unlisten?.()
      await reading.idle()
    },
  }
}
