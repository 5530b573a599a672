import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { benchAppend } from './append.ts'
import { benchBridge } from './bridge.ts'
import { benchConsumers } from './consumers.ts'
import { benchDht } from './dht.ts'
import { benchFanOut } from './fan-out.ts'
import { benchJoinedTopics } from './joined-topics.ts'
import { benchLink } from './link.ts'
import { benchLive } from './live.ts'
import { benchMemory } from './memory.ts'
import { benchOverload } from './overload.ts'
import { benchPostgres } from './postgres.ts'
import { benchPublish } from './publish.ts'
import { benchReach } from './reach.ts'
import { benchReaders } from './readers.ts'
import { benchReconnect } from './reconnect.ts'
import { benchReplay } from './replay.ts'
import { benchRequest } from './request.ts'
import type { BenchResult } from './result.ts'
import { benchRoad } from './road.ts'
import { benchSimulation } from './simulation.ts'
import { benchStart } from './start.ts'

/**
 * `npm run bench [name]`: runs each subject and its limit together; prints a table and writes
 * bench/results/<time>.json.
 */
const benchmarks: Record<string, () => Promise<BenchResult>> = {
  road: () => benchRoad({ messages: 16_000, warmUp: 20_000 }),
  live: () => benchLive({ messages: 100_000 }),
  'fan-out': () => benchFanOut(),
  replay: () => benchReplay(),
  append: () => benchAppend(),
  publish: () => benchPublish(),
  consumers: () => benchConsumers(),
  postgres: () => benchPostgres(),
  overload: () => benchOverload(),
  request: () => benchRequest(),
  memory: () => benchMemory(),
  link: () => benchLink(),
  readers: () => benchReaders(),
  reconnect: () => benchReconnect(),
  simulation: () => benchSimulation(),
  dht: () => benchDht(),
  topics: () => benchJoinedTopics(),
  bridge: () => benchBridge(),
  reach: () => benchReach(),
  start: () => benchStart(),
}

const wanted = process.argv.slice(2)
const results: BenchResult[] = []
for (const [name, run] of Object.entries(benchmarks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const result = await run()
  results.push(result)
  print(result)
}
await save()

function print({ name, rows }: BenchResult): void {
  console.log(`\n${name}`)
  const width = Math.max(...rows.map(({ label }) => label.length))
  for (const { label, value, unit, ofLimit } of rows) {
    const share = ofLimit === undefined ? '' : `   ${ofLimit.toFixed(2)} of the limit`
    console.log(`  ${label.padEnd(width)}  ${value.toFixed(value < 100 ? 2 : 0).padStart(10)} ${unit}${share}`)
  }
}

async function save(): Promise<void> {
  const directory = new URL('./results/', import.meta.url)
  await mkdir(directory, { recursive: true })
  const at = new Date().toISOString()
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, node: process.version }
  const file = new URL(`${at.replaceAll(':', '-')}.json`, directory)
  await writeFile(file, `${JSON.stringify({ at, machine, results }, null, 2)}\n`)
  console.log(`\nwritten to ${file.pathname}`)
}
