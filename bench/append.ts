import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pino } from 'pino'
import type { NewMessage } from '../src/model/message.ts'
import { createStore } from '../src/store/create-store.ts'
import type { Store } from '../src/store/store.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { newMessage } from './stored-messages.ts'

/**
 * (d) Durable appends through the store. The limit, in the same run, file system and settings, is the bare driver: one
 * prepared INSERT of the minimum that a log needs (number, id, topic, data, and the index by topic), in the same
 * batches.
 */

const messageBytes = 256
const topics = ['orders', 'invoices', 'chat', 'sensors/1', 'sensors/2']
/** Enough for several checkpoints of both, within seconds. */
const messagesPerRun = 50_000
/** Rounds alternate, so that a busy moment of the machine affects both. */
const rounds = 5

export async function benchAppend(): Promise<BenchResult> {
  const rows: BenchRow[] = []
  for (const batch of [100, 500]) rows.push(...(await compare(batch)))
  return { name: '(d) durable appends of 256-byte messages', rows }
}

async function compare(batch: number): Promise<BenchRow[]> {
  const directory = await mkdtemp(join(tmpdir(), 'peergate-bench-'))
  const url = `file:${join(directory, 'store.db')}`
  const logger = pino({ level: 'silent' })
  const store = await createStore({ url, servedMarkFile: join(directory, 'served'), migrate: true }, { logger })
  await store.start()
  const driver = openDriver(join(directory, 'driver.db'))
  try {
    const bare: number[] = []
    const ours: number[] = []
    for (let round = 0; round < rounds; round++) {
      bare.push(await rate(batches(batch), async (messages) => driver.append(messages)))
      ours.push(await rate(batches(batch), (messages) => append(store, messages)))
    }
    const [limit, value] = [percentile(bare, 0.5), percentile(ours, 0.5)]
    return [
      { label: `bare driver, batches of ${batch}`, value: limit, unit: 'messages/s' },
      { label: `the store, batches of ${batch}`, value, unit: 'messages/s', ofLimit: value / limit },
    ]
  } finally {
    driver.close()
    await store.stop()
    await rm(directory, { recursive: true })
  }
}

async function append(store: Store, messages: NewMessage[]): Promise<void> {
  const { entries } = await store.log.append(messages)
  if (entries.length !== messages.length) throw new Error('the store returned fewer entries than it was given')
}

async function rate(work: NewMessage[][], append: (messages: NewMessage[]) => Promise<void>): Promise<number> {
  const start = performance.now()
  for (const messages of work) await append(messages)
  return messagesPerRun / rounds / ((performance.now() - start) / 1_000)
}

function batches(size: number): NewMessage[][] {
  return Array.from({ length: messagesPerRun / rounds / size }, () => Array.from({ length: size }, message))
}

let made = 0

function message(): NewMessage {
  return newMessage(topics[made++ % topics.length] ?? 'orders', randomBytes(messageBytes))
}

function openDriver(path: string) {
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
    CREATE TABLE "log" ("seq" INTEGER PRIMARY KEY AUTOINCREMENT, "id" TEXT NOT NULL UNIQUE, "topic" TEXT NOT NULL, "data" BLOB NOT NULL);
    CREATE INDEX "log_topic" ON "log" ("topic", "seq")`)
  const insert = database.prepare('INSERT INTO "log" ("id", "topic", "data") VALUES (?, ?, ?)')
  return {
    append(messages: NewMessage[]) {
      database.exec('BEGIN IMMEDIATE')
      for (const { id, topic, data } of messages) insert.run(id, topic, data)
      database.exec('COMMIT')
    },
    close: () => database.close(),
  }
}
