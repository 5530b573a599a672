import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import type { EngineName } from '../../fixtures/gateway-process.ts'
import { natKinds, type RouterKind } from '../../fixtures/nat-kinds.ts'
import { badLine, type Cell } from './cell.ts'

const page = fileURLToPath(new URL('../../../docs/reach.md', import.meta.url))
/** What follows this line is written here. */
const heading = '## Results'

const introduction = `\`npm run test:nat\` tries every pair of kinds, and writes what follows. Hosts and routers are network namespaces of
Linux. The second gateway starts when the first has a link to the relay. A time is that from its start until both
gateways use the path: at most 3 s for a direct one, 2 s for a relayed one. On every path each gateway then sends the
other 300 messages, and each arrives once. So does each of 10,000 while a router starts anew or gets another address, or
the relay in use is killed.`

/** Writes the tables of a run in which every pair of the matrix was tried. */
export default class TableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.filter(({ moduleId }) => moduleId.endsWith('matrix.test.ts')).flatMap((module) => [...module.children.allTests()])
    const tried = tests.flatMap(tryOf)
    if (process.env['PEERGATE_NAT'] !== 'all' || tried.length !== tests.length) return
    const [prose = ''] = readFileSync(page, 'utf8').split(heading)
    const tables = (['custom', 'libp2p'] as const).map((engine) => table(engine, tried))
    writeFileSync(page, `${[prose.trimEnd(), heading, introduction, ...tables, badLines(tried)].join('\n\n')}\n`)
  }
}

interface Try extends Cell {
  passed: boolean
}

function tryOf(test: TestCase): Try[] {
  const { reach } = test.meta()
  return reach === undefined ? [] : [{ ...reach, passed: test.result().state === 'passed' }]
}

function table(engine: EngineName, tried: Try[]): string {
  const kinds: RouterKind[] = [...natKinds, 'firewall']
  const rows = kinds.map((row) => `| ${row} | ${kinds.map((column) => field(engine, [row, column], tried)).join(' | ')} |`)
  return [`| ${engine} | ${kinds.join(' | ')} |`, `| --- |${' --- |'.repeat(kinds.length)}`, ...rows].join('\n')
}

function badLines(tried: Try[]): string {
  const kind = 'port-restricted'
  const results = (['custom', 'libp2p'] as const).map(
    (engine) => `- ${engine}: ${result(tried.filter((each) => each.engine === engine && each.lines === 'bad'))}`,
  )
  const line = `loses ${badLine.lossPercent} % of the packets each way, and delays them by ${badLine.delayMs} ms`
  return `Two ${kind} routers, where the line of each gateway ${line}:\n\n${results.join('\n')}`
}

/** Empty below the diagonal, since the other order of the two is the same pair, and where the two have no common IP version. */
function field(engine: EngineName, [row, column]: [RouterKind, RouterKind], tried: Try[]): string {
  return result(
    tried.filter(({ engine: of, kinds: [one, other], lines }) => of === engine && one === row && other === column && lines === 'good'),
  )
}

function result(tries: Try[]): string {
  const [first] = tries
  if (first === undefined) return ''
  const passed = tries.filter((each) => each.passed)
  if (passed.length < tries.length) return `**${passed.length} of ${tries.length} ${first.path}**`
  const seconds = passed.map(({ tookMs = 0 }) => tookMs / 1_000).toSorted((one, other) => one - other)
  const [least = 0, most = 0] = [seconds.at(0), seconds.at(-1)]
  if (tries.length === 1) return `${first.path}, ${least.toFixed(1)} s`
  return `${first.path}, ${passed.length} of ${tries.length}, ${least.toFixed(1)} to ${most.toFixed(1)} s`
}
