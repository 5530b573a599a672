import { type Command, Option } from 'commander'
import { connect } from '../globals.ts'
import type { Output } from '../output.ts'
import type { Remote } from '../remote.ts'
import { type Sorting, sortings } from '../top/sortings.ts'

interface Options {
  once?: boolean
  sort: Sorting
}

export function addTop(program: Command): void {
  program
    .command('top')
    .description('watch topics, peers, rates and load of a running gateway; q ends it, ← and → sort by another column')
    .option('--once', 'print the figures of one second, and end')
    .addOption(new Option('--sort <column>', 'what topics are sorted by').choices(sortings).default(sortings[0]))
    .action(async (options: Options, command: Command) => {
      const { remote, output } = await connect(command)
      const stopping = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
      if (output.isTerminal && !output.isJson && options.once !== true) await onScreen(remote, options.sort, stopping)
      else await asText(remote, output, options, stopping)
    })
}

async function asText(remote: Remote, output: Output, { once = false, sort: sorting }: Options, stopping: AbortController): Promise<void> {
  const [{ watchGateway }, { renderScreen }] = await parts()
  const size = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY }
  let isFirst = true
  for await (const seen of watchGateway(remote, stopping.signal)) {
    if (seen.type === 'away') {
      const { code, message } = seen.error
      if (output.isJson) output.json({ at: new Date().toISOString(), error: { code, message } })
      else output.line(`! ${message}\n`)
    } else if (!isFirst || !once) {
      // The first look has no rates.
      if (output.isJson) output.json(seen.figures)
      else for (const line of [...renderScreen(seen.figures, { url: remote.url, sorting, ...size }), '']) output.line(line)
      if (once) return
    }
    isFirst = false
  }
}

async function onScreen(remote: Remote, sort: Sorting, stopping: AbortController): Promise<void> {
  const [{ watchGateway }, { renderScreen }, { openScreen }] = await parts()
  let sorting = sort
  let draw = () => {}
  using screen = openScreen(process, (key) => {
    if (key === 'q') stopping.abort()
    if (key === 'left' || key === 'right') {
      const step = key === 'left' ? sortings.length - 1 : 1
      sorting = sortings[(sortings.indexOf(sorting) + step) % sortings.length] ?? sorting
    }
    draw()
  })
  let shown: Parameters<typeof renderScreen>[0] | undefined
  for await (const seen of watchGateway(remote, stopping.signal)) {
    if (seen.type === 'figures') shown = seen.figures
    const failure = seen.type === 'away' ? `${seen.error.message}. Trying again.` : undefined
    draw = () => {
      if (shown === undefined) return
      screen.show(renderScreen(shown, { url: remote.url, columns: screen.columns, rows: screen.rows, sorting, failure }))
    }
    draw()
  }
}

const parts = () => Promise.all([import('../top/watch.ts'), import('../top/screen.ts'), import('../top/terminal.ts')])
