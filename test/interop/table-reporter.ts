import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import type { Cell } from './cell.ts'

const page = fileURLToPath(new URL('../../docs/interop.md', import.meta.url))

const introduction = `# Foreign peers

What the libp2p engine was tried with: nodes that others wrote, as processes of their own, beside a gateway in a process of its own. \`npm run
test:interop\` builds them and writes this page whenever every cell was tried; where a toolchain is missing, or Kubo was left out, some are not.

A cell with "2 × 1,000 each way" exchanges in each direction, at the same time, 1,000 messages at 200 a second (the gateway's by single POSTs) and 1,000 in
bursts of 100 (the gateway's as arrays), and counts what arrives: each once, as it was, with its author. What a peer's own library gave up before it
left the peer, or ignored once it was there, is told apart; a busy machine makes that more.

Kubo writes the sequence number of each message to its disk, one at a time, and ignores numbers below one that it has written. When several messages wait for
one write, a later one may come first, and the others are lost there; so a gateway makes pauses of \`PEERGATE_KUBO_MESSAGE_MS\`, 10 ms by default. With writes that took
5 ms Kubo ignored 187 of 800 in pauses of 4 ms, and 3 of 800 in pauses of 10 ms. Except where a cell says "on disk", its repository is in memory.

rust-libp2p (gossipsub 0.50) ends a stream that brings more than it takes by default: 64 KiB in an RPC, with up to 8 KiB of what follows counted too, and
16 KiB of control and subscriptions in one. A gateway stays below that, and sends it nothing right behind a message of 56 to 64 KiB. After a larger one, which
ends the stream, it sends it none of that size, and \`recipients\` says so to the publisher.
`

/** Writes the table of a run in which every cell was tried. */
export default class TableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const complete = process.env['PEERGATE_INTEROP_TABLE'] === 'true' && tests.every((test) => test.result().state !== 'skipped')
    if (complete) writeFileSync(page, `${introduction}\n${table(tests.flatMap(cellOf))}\n`)
  }
}

function cellOf(test: TestCase): Cell[] {
  const { cell } = test.meta()
  if (cell === undefined) return []
  return [test.result().state === 'passed' ? cell : { ...cell, result: '**fails**' }]
}

function table(cells: Cell[]): string {
  const rows = cells.map(({ peer, version, name, result }) => `| ${peer} | ${version} | ${name} | ${result ?? ''} |`)
  return ['| peer | version | cell | result |', '| --- | --- | --- | --- |', ...rows].join('\n')
}
