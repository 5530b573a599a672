import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { P2PEngine } from '../engine/engine.ts'
import { StoreUnavailable } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Seq } from '../model/cursor.ts'
import { idempotencyWindowMs, KeyTaken } from '../model/idempotency-key.ts'
import type { NewMessage } from '../model/message.ts'
import { withCursors } from '../model/published.ts'
import { messageId } from '../model/signed-message.ts'
import type { AppendEntry, AppendResult } from '../store/log-append.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { traceShared, traceWait } from '../telemetry/tracing.ts'
import { type Item, keysOf, placed } from './batch.ts'
import { batchOrder } from './batch-order.ts'
import type { BatchQueue } from './batch-queue.ts'
import type { Outbound } from './outbound.ts'
import type { OwnSeqs } from './own-seqs.ts'
import type { LogTail } from './tail.ts'
import type { TopicTrafficCounter } from './topic-traffic.ts'
import type { Uncertain } from './uncertain.ts'
import type { WriteWatch } from './write-watch.ts'

/**
 * Takes batches from the queue. Appends each in one transaction, then shows it to the hub, hands it to the network and
 * settles its items: store, then send.
 */
export interface Appender {
  /** Runs until the queue is closed and empty. */
  run(): Promise<void>
}

export interface AppenderComponents {
  queue: Pick<BatchQueue<Item>, 'take' | 'size'>
  engine: Pick<P2PEngine, 'peerId' | 'sign' | 'bridge'>
  log: Pick<LogStore, 'append'>
  tail: Pick<LogTail, 'append'>
  outbound: Pick<Outbound, 'send'>
  traffic: Pick<TopicTrafficCounter, 'sent'>
  /** Seqs of the messages that this gateway appended, and of the live ones among them. */
  appended: Pick<OwnSeqs, 'add'>
  own: Pick<OwnSeqs, 'add'>
  uncertain: Pick<Uncertain, 'note'>
  writes: Pick<WriteWatch, 'succeeded' | 'failed'>
  metrics: Pick<Metrics, 'published' | 'refused' | 'waited' | 'committed' | 'handedOver'>
  logger: Logger
  /** Age time, which stands still while the clock is not trusted. */
  settledAge(): number
}

/**
 * Maximum turns of the event loop between two batches. A turn accepts one new connection; a batch costs as much as many
 * turns.
 */
const maxGatherTurns = 16

export function createAppender(init: { limits: Pick<Limits, 'maxBatchMessages'> }, components: AppenderComponents): Appender {
  const { maxBatchMessages } = init.limits
  const { queue, engine, log, tail, outbound, traffic, appended, own, uncertain, writes, metrics, logger, settledAge } = components

  async function run(): Promise<void> {
    for (;;) {
      const batch = await queue.take(maxBatchMessages)
      if (batch === undefined) return
      await commit(batch)
      await gather()
    }
  }

  /**
   * Lets the sockets be read while each turn brings more, so that the next batch holds everything that arrived
   * meanwhile.
   */
  async function gather(): Promise<void> {
    for (let turn = 0; turn < maxGatherTurns; turn++) {
      const before = queue.size
      await nextTurn()
      if (queue.size === before || queue.size >= maxBatchMessages) return
    }
  }

  async function commit(batch: Item[]): Promise<void> {
    let messages: NewMessage[] = []
    try {
      const order = batchOrder(await toMessages(batch), engine.peerId)
      messages = order.messages
      const begun = performance.now()
      for (const item of batch) {
        if (item.kind !== 'own') continue
        metrics.waited((begun - item.enqueuedAt) / 1_000)
        if (item.trace !== undefined) traceWait('inbox', item.trace, begun - item.enqueuedAt)
      }
      const asked = batch.flatMap((item) => (item.kind === 'own' ? (item.trace ?? []) : []))
      const appending = () => log.append(messages, keysOf(batch, settledAge() - idempotencyWindowMs))
      const { epoch, previousTip, entries: inOrder, takenKeys } = await traceShared('append', asked, messages.length, appending)
      metrics.committed(messages.length, secondsSince(begun))
      writes.succeeded()
      const entries = order.asTheyCame(inOrder)
      const added = inOrder.flatMap((entry) => (entry.known ? [] : entry.message))
      noteOwn(batch, entries)
      tail.append(previousTip, added)
      settleForeign(batch, entries)
      // A network forwards what it brought in the turn of its verdict, and is then handed later messages of the authors.
      if (engine.bridge !== undefined && batch.some(({ kind }) => kind === 'foreign')) await nextTurn()
      const handing = performance.now()
      const recipients = await traceShared('hand over', asked, added.length, () => outbound.send(added))
      metrics.handedOver(secondsSince(handing))
      for (const { topic, seq } of added) traffic.sent(topic, recipients.get(seq) ?? 0)
      settleOwn(batch, { epoch, entries, takenKeys }, recipients)
    } catch (error) {
      const { own = [], others = [] } = Object.groupBy(messages, ({ from }) => (from === engine.peerId ? 'own' : 'others'))
      uncertain.note(idsOf(own), engine.bridge === undefined ? [] : idsOf(others))
      refuse(batch, error)
    }
  }

  /** Notes the seqs of the batch. A live message need not be forwarded when another peer sends it again. */
  function noteOwn(batch: Item[], entries: AppendEntry[]): void {
    const live: Seq[] = []
    const past: Seq[] = []
    for (const { item, first } of placed(batch)) {
      const added = entries.slice(first, first + item.messages).flatMap((entry) => (entry.known ? [] : entry.message.seq))
      const seqs = item.kind === 'past' ? past : live
      seqs.push(...added)
      const [lowest, highest] = [added[0], added.at(-1)]
      if (item.kind === 'own' && lowest !== undefined && highest !== undefined) item.stored?.(lowest, highest)
    }
    for (const seq of rising([...live, ...past])) appended.add(seq, seq)
    for (const seq of rising(live)) own.add(seq, seq)
  }

  async function toMessages(batch: Item[]): Promise<NewMessage[]> {
    const own = batch.flatMap((item) => (item.kind === 'own' ? item.own : []))
    const signed = own.length === 0 ? [] : await engine.sign(own)
    return batch.flatMap((item) => {
      if (item.kind !== 'own') return item.list
      return signed
        .splice(0, item.messages)
        .map((message) => ({ ...message, id: messageId(message.from, message.sequence), ...item.times }))
    })
  }

  function settleForeign(batch: Item[], entries: AppendEntry[]): void {
    for (const { item, first } of placed(batch)) {
      if (item.kind !== 'own') item.done.resolve(entries.slice(first, first + item.messages))
    }
  }

  function settleOwn(batch: Item[], { epoch, entries, takenKeys }: Omit<AppendResult, 'previousTip'>, recipients: Map<Seq, number>): void {
    for (const { item, first } of placed(batch)) {
      if (item.kind !== 'own') continue
      if (item.key !== undefined && takenKeys.includes(item.key.key)) {
        item.done.reject(new KeyTaken('This idempotency key has already been used to publish.'))
        continue
      }
      metrics.published(item.messages)
      const stored = entries.slice(first, first + item.messages).flatMap(({ message }) => message ?? [])
      const items = stored.map(({ id, seq, topic }) => ({ id, seq, topic, recipients: recipients.get(seq) ?? 0 }))
      item.done.resolve(withCursors(epoch, items))
    }
  }

  /** Settles every item that is not settled yet. */
  function refuse(batch: Item[], error: unknown): void {
    // The state of the database is logged at intervals. Any other error is a bug in this process.
    if (error instanceof StoreUnavailable) writes.failed(error, batch.length)
    else logger.error({ err: error, requests: batch.length }, 'a batch of messages was refused')
    for (const item of batch) {
      if (item.kind === 'own') {
        metrics.refused(item.messages)
        item.done.reject(error)
      } else {
        item.done.resolve(undefined)
      }
    }
  }

  return { run }
}

function idsOf(messages: NewMessage[]): string[] {
  return messages.map(({ id }) => id)
}

function rising(seqs: Seq[]): Seq[] {
  return seqs.toSorted((one, other) => one - other)
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1_000
}
