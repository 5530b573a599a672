import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BenchResult } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** The checkout beside another revision of it, in turns, so that a busy moment of the machine affects both. */

const root = join(import.meta.dirname, '..')
const run = promisify(execFile)

interface Figure {
  /** Of the benchmark. */
  name: string
  label: string
  unit: string
  /** One of each round. */
  values: number[]
}

export type Figures = Map<string, Figure>

/**
 * @param args for `npm run bench`: names, and `--quick`
 * @returns lines of a table: the medians, and this checkout's divided by the revision's
 * @throws Error when a benchmark fails on either side, such as when the revision lacks what it measures
 */
export async function compareWith(revision: string, args: string[], rounds: number): Promise<string[]> {
  await using resources = new AsyncDisposableStack()
  const tree = await checkOut(resources, revision)
  const here: Figures = new Map()
  const there: Figures = new Map()
  for (let round = 0; round < rounds; round++) {
    const sides = [
      { directory: root, figures: here },
      { directory: tree, figures: there },
    ]
    // Each is first as often as the other, since the machine may warm up or slow down.
    for (const { directory, figures } of round % 2 === 0 ? sides : sides.toReversed()) add(figures, await measure(directory, args))
  }
  return comparison(revision, here, there)
}

/** A work tree of the revision, with the benchmarks and packages of this one. */
async function checkOut(resources: AsyncDisposableStack, revision: string): Promise<string> {
  const tree = join(await temporaryDirectory(resources), 'tree')
  await run('git', ['worktree', 'add', '--detach', tree, revision], { cwd: root })
  resources.defer(async () => void (await run('git', ['worktree', 'remove', '--force', tree], { cwd: root })))
  // The same benchmarks measure both.
  for (const folder of ['bench', 'test/fixtures']) {
    await rm(join(tree, folder), { recursive: true })
    await cp(join(root, folder), join(tree, folder), { recursive: true })
  }
  const [ours, theirs] = await Promise.all([root, tree].map((each) => readFile(join(each, 'package-lock.json'), 'utf8')))
  if (ours === theirs) await symlink(join(root, 'node_modules'), join(tree, 'node_modules'))
  else await run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: tree })
  return tree
}

async function measure(directory: string, args: string[]): Promise<BenchResult[]> {
  await using resources = new AsyncDisposableStack()
  const file = join(await temporaryDirectory(resources), 'results.json')
  const child = spawn(process.execPath, ['bench/main.ts', '--json', file, ...args], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the benchmarks ended with ${code} in ${directory}`)
  const { results }: { results: BenchResult[] } = JSON.parse(await readFile(file, 'utf8'))
  return results
}

export function add(figures: Figures, results: BenchResult[]): void {
  for (const { name, rows } of results) {
    for (const { label, unit, value } of rows) {
      const key = `${name}: ${label}`
      const figure = figures.get(key) ?? { name, label, unit, values: [] }
      figure.values.push(value)
      figures.set(key, figure)
    }
  }
}

/** A table for each benchmark. */
export function comparison(revision: string, here: Figures, there: Figures): string[] {
  const width = Math.max(...[...here.values()].map(({ label }) => label.length))
  const cells = (...texts: string[]) => texts.map((text) => text.padStart(12)).join('')
  const lines: string[] = []
  let last = ''
  for (const [key, { name, label, unit, values }] of here) {
    if (name !== last) lines.push('', name, `${''.padEnd(width)}${cells('here', revision.slice(0, 11), 'ratio')}`)
    last = name
    const [ours, theirs] = [values, there.get(key)?.values ?? []].map((all) => percentile(all, 0.5))
    lines.push(`${label.padEnd(width)}${cells(shown(ours), shown(theirs), shown((ours ?? 0) / (theirs ?? 0)))}  ${unit}`)
  }
  return lines
}

function shown(value = Number.NaN): string {
  return value.toFixed(value < 100 ? 2 : 0)
}
