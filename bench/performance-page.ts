import type { Machine } from './machine.ts'
import { type BenchResult, type BenchRow, moreIsBetter } from './result.ts'

/** docs/performance.md, of one run. */
export function performancePage(machine: Machine, results: BenchResult[]): string {
  const compared = results.flatMap(({ rows }) => rows.flatMap(pairs))
  const sections = [
    head(machine),
    section('Ahead', ratioText, pairTable(compared.filter(({ isAhead }) => isAhead))),
    section('Behind', ratioText, pairTable(compared.filter(({ isAhead }) => !isAhead))),
    section('Budget of a message', budgetText, budgetTable(results)),
    ...results.map(({ name, rows, notes = [] }) => paragraphs(`## ${name}`, ...notes, resultTable(rows))),
  ]
  return `${paragraphs(...sections)}\n`
}

const usualCommand = 'npm run bench -- --report'

const budgetText = `Time of the processor for one message, of each process and of the client that measures, and memory. A client at a whole
core would be what is measured.`

/** Load beyond which the figures are those of a machine that did something else too. */
const quietLoad = 0.5

function head({ at, command, commit, processors, model, load, memoryGiB, system, node, fsyncMs }: Machine): string {
  return `# Performance

All figures of this page are of one run, at the time and on the machine of this table. Others have other figures: compare
ratios, which come from subjects that were measured in turns. \`${usualCommand}\` measures again and writes this
page, in about a quarter of an hour on two cores that do nothing else; \`npm run bench -- --compare <revision>\` shows
what a change is worth.
${load > quietLoad ? `\n${busyText}\n` : ''}${command.includes('--quick') ? `\n${quickText}\n` : ''}
| this run | |
| --- | --- |
| date | ${at.slice(0, 10)} |
| commit | ${commit} |
| command | \`${command}\` |
| processors | ${processors} × ${model} |
| load before the run | ${number(load)} |
| memory | ${memoryGiB.toFixed(1)} GiB |
| system | ${system}, Node.js ${node} |
| 4 KiB to the disk (\`fdatasync\`) | ${number(fsyncMs.p50)} ms, p99 ${number(fsyncMs.p99)} ms |`
}

const ratioText = 'The ratio is the value of the gateway divided by the other one.'
const busyText = '**The machine did other work during this run: its rates are too low, and its delays too long.**'
const quickText = '**This was a quick run, whose processes were not warm: it shows what is measured, and not how fast it is.**'

interface Pair {
  label: string
  value: string
  beside: string
  ratio: number
  isAhead: boolean
}

function pairs(row: BenchRow): Pair[] {
  const { label, unit, value, besides = [] } = row
  return besides.map(({ name, ratio }) => ({
    label,
    value: `${number(value)} ${unit}`,
    beside: name,
    ratio,
    isAhead: moreIsBetter(row) ? ratio >= 1 : ratio <= 1,
  }))
}

function pairTable(all: Pair[]): string {
  return table(
    ['what', 'the gateway', 'beside', 'ratio'],
    all.map(({ label, value, beside, ratio }) => [label, value, beside, ratio.toFixed(2)]),
  )
}

/** Shares of the processor, a message each, and what is held in memory. */
function budgetTable(results: BenchResult[]): string {
  const perMessage = results
    .flatMap(({ rows }) => rows)
    .filter(({ unit }) => unit === 's for 1,000 messages')
    .map(({ label, value }) => [label, `${number(value * 1_000)} µs`])
  const memory = results
    .flatMap(({ rows }) => rows)
    .filter(({ unit }) => /^(?:KiB|MiB)/.test(unit))
    .map(({ label, value, unit }) => [label, `${number(value)} ${unit}`])
  return table(['what', 'budget'], [...perMessage, ...memory])
}

function resultTable(rows: BenchRow[]): string {
  return table(
    ['what', 'value', 'of its limit'],
    rows.map(({ label, value, unit, ofLimit }) => [label, `${number(value)} ${unit}`, ofLimit?.toFixed(2) ?? '']),
  )
}

/** Empty without content. */
function section(title: string, text: string, content: string): string {
  return content === '' ? '' : paragraphs(`## ${title}`, text, content)
}

function paragraphs(...all: string[]): string {
  return all.filter((text) => text !== '').join('\n\n')
}

/** Empty without rows. */
function table(columns: string[], rows: string[][]): string {
  if (rows.length === 0) return ''
  return [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function number(value: number): string {
  return value.toLocaleString('en', value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 })
}
