import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchmarks, reported } from './benchmarks.ts'
import { compareWith } from './compare.ts'
import { describeMachine, type Machine } from './machine.ts'
import { performancePage } from './performance-page.ts'
import type { BenchResult, BenchRow } from './result.ts'

/**
 * `npm run bench [-- name …]` runs benchmarks, each subject and its limit together; it prints a table and writes
 * bench/results/<time>.json. With `--report` it runs those of docs/performance.md, and writes that page. With `--compare
 * <revision>` it runs them here and at the revision in turns, `--rounds` times each, and prints ratios. `--quick` has a
 * tenth of the messages: it shows that benchmarks run.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    compare: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    report: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    /** Where to write the results instead. */
    json: { type: 'string' },
  },
})

const unknown = positionals.filter((name) => !(name in benchmarks))
if (unknown.length > 0) throw new Error(`there is no benchmark ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}`)
const wanted = positionals.length > 0 ? positionals : options.report ? reported : Object.keys(benchmarks)

if (options.compare === undefined) await runHere()
else
  for (const line of await compareWith(options.compare, options.quick ? ['--quick', ...wanted] : wanted, Number(options.rounds)))
    console.log(line)

async function runHere(): Promise<void> {
  const machine = await describeMachine(`npm run bench -- ${process.argv.slice(2).join(' ')}`)
  const results: BenchResult[] = []
  for (const name of wanted) {
    const result = await attempt(name)
    results.push(result)
    print(result)
  }
  await save(machine, results)
  if (options.report) await writeFile(join(import.meta.dirname, '../docs/performance.md'), performancePage(machine, results))
}

/** A benchmark that fails does not end a long run; its result says why. */
async function attempt(name: string): Promise<BenchResult> {
  try {
    return (await benchmarks[name]?.(options.quick ? 0.1 : 1)) ?? { name, rows: [] }
  } catch (err) {
    process.exitCode = 1
    return { name, rows: [], notes: [`${name} failed: ${err instanceof Error ? err.message : err}`] }
  }
}

function print({ name, rows, notes = [] }: BenchResult): void {
  console.log(`\n${name}`)
  const width = Math.max(...rows.map(({ label }) => label.length))
  for (const row of rows) {
    console.log(`  ${row.label.padEnd(width)}  ${row.value.toFixed(row.value < 100 ? 2 : 0).padStart(10)} ${row.unit}${ratios(row)}`)
  }
  for (const note of notes) console.log(`  ${note}`)
}

function ratios({ ofLimit, besides = [] }: BenchRow): string {
  const share = ofLimit === undefined ? [] : [`${ofLimit.toFixed(2)} of the limit`]
  return [...share, ...besides.map(({ name, ratio }) => `${ratio.toFixed(2)} × ${name}`)].map((text) => `   ${text}`).join('')
}

async function save(machine: Machine, results: BenchResult[]): Promise<void> {
  const directory = join(import.meta.dirname, 'results')
  await mkdir(directory, { recursive: true })
  const file = options.json ?? join(directory, `${machine.at.replaceAll(':', '-')}.json`)
  await writeFile(file, `${JSON.stringify({ machine, results }, null, 2)}\n`)
  console.log(`\nwritten to ${file}`)
}
