import type { Logger } from 'pino'
import { createWatchers } from '../lib/watchers.ts'
import type { StoredMessage } from '../model/message.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Store, StoreChange } from '../store/store.ts'
import type { Hub } from './hub.ts'

/**
 * Brings the log's end to the hub, in order: what this gateway has appended, as soon as it has, and between it what other gateways of
 * the same database have, read from the store.
 */
export interface LogTail {
  /** A batch of this gateway, durably appended; `previousTip` is the log's end before it. */
  append(previousTip: number, messages: StoredMessage[]): void
  /** Tells of messages that were read from the store, before the hub has them. Answers what ends the watch. */
  watchRead(watcher: (messages: StoredMessage[]) => void): () => void
  /** Tells that the log has become another one: what readers know of positions holds no more. */
  watchReset(watcher: () => void): () => void
  start(): Promise<void>
  /** Finishes the step it is at. */
  stop(): Promise<void>
}

export interface LogTailComponents {
  store: Pick<Store, 'listen'> & { readonly log: Pick<LogStore, 'read'> }
  hub: Pick<Hub, 'tip' | 'append' | 'prune' | 'start'>
  logger: Logger
}

export interface LogTailLimits {
  maxReadMessages: number
  maxReadBytes: number
  maxRingMessages: number
}

/** Own batches that wait for others' messages before them; beyond it the hub is left to read from the store. */
const maxWaiting = 64

export function createLogTail(init: { limits: LogTailLimits }, components: LogTailComponents): LogTail {
  const { maxReadMessages, maxReadBytes, maxRingMessages } = init.limits
  const { store, hub, logger } = components
  const reads = createWatchers<[messages: StoredMessage[]]>()
  const resets = createWatchers()
  const waiting: Array<{ previousTip: number; messages: StoredMessage[] }> = []
  let unlisten: (() => void) | undefined
  let running: Promise<void> | undefined
  let wanted = false

  /** What the hub does not have yet of own batches, as far as nothing is missing before them. */
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
      damaged = [],
    } = await store.log.read({ after, ...bounds, order: 'asc', limit: maxReadMessages, maxBytes: maxReadBytes })
    if (scanned <= after) return false
    void reads.tell(messages)
    // Who follows live reads from the store, where it is told of the damage.
    if (damaged.length === 0) hub.append(after, messages)
    // Pruned messages at the end, of which nobody will hear.
    if (hub.tip < scanned) hub.append(scanned, [])
    appendWaiting()
    return true
  }

  async function catchUp(): Promise<void> {
    for (let read = 0; ; read++) {
      // Who is so far behind that the ring would not hold it reads from the store, as every reader does.
      if (read * maxReadMessages > maxRingMessages || waiting.length > maxWaiting) skip()
      if (!(await step()) && !wanted) return
      wanted = false
    }
  }

  function skip(): void {
    const last = waiting.at(-1)
    if (last === undefined) return
    waiting.length = 0
    hub.append(last.previousTip, last.messages)
  }

  function run(): void {
    wanted = true
    running ??= catchUp()
      .catch((err: unknown) => {
        // Nothing is lost: the next batch or notice tries again, and readers who need it read it themselves.
        logger.warn({ err }, 'what other gateways have appended could not be read')
        wanted = false
        skip()
      })
      .finally(() => {
        running = undefined
        // A notice that came since the last step.
        if (wanted) run()
      })
  }

  function onChange(change: StoreChange): void {
    switch (change.kind) {
      case 'log':
      case 'everything':
        run()
        break
      case 'pruned':
        hub.prune(change.topic, change)
        break
      case 'epoch':
        waiting.length = 0
        hub.start().then(resets.tell, (err: unknown) => logger.error({ err }, 'the end of the new log could not be read'))
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
      if (waiting.length > 0) run()
    },
    watchRead: reads.watch,
    watchReset: resets.watch,
    async start() {
      unlisten = store.listen(onChange)
    },
    async stop() {
      unlisten?.()
      while (running !== undefined) await running
    },
  }
}
