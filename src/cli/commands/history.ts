import { type Command, Option } from 'commander'
import { connect } from '../globals.ts'
import { commandLimits } from '../limits.ts'
import { messagePrinter } from '../message-text.ts'
import { parseCount } from '../numbers.ts'

const kinds = ['topic', 'direct'] as const

interface Options {
  after: string
  since?: string
  until?: string
  from?: string
  kind?: (typeof kinds)[number]
  limit?: number
  template?: string
}

export function addHistory(program: Command): void {
  program
    .command('history')
    .description('print stored messages, the oldest first')
    .argument('[topic...]', 'topics or patterns; all by default')
    .option('--after <cursor>', 'only messages after this cursor', 'earliest')
    .option('--since <time>', 'received at this time or later (RFC 3339)')
    .option('--until <time>', 'received before this time')
    .option('--from <peer>', 'of one author')
    .addOption(new Option('--kind <kind>', 'only of topics, or only direct messages').choices(kinds))
    .option('-n, --limit <count>', 'maximum number of messages', parseCount)
    .option('--template <text>', 'how a message is printed, such as "{receivedAt} {topic} {data}"')
    .action(async (topics: string[], options: Options, command: Command) => {
      const { after, limit = Number.POSITIVE_INFINITY, template, ...filter } = options
      const { remote, output } = await connect(command)
      const print = messagePrinter(output, template)
      let left = limit
      for (let position = after; left > 0; ) {
        const page = { after: position, order: 'asc' as const, limit: Math.min(left, commandLimits.pageItems) }
        const query = { topic: topics, ...filter, ...page }
        // A long history may use up the budget of its client, and then goes on more slowly.
        const { items, newer, caughtUp } = await remote.patiently(commandLimits.patienceMs, () =>
          remote.call('get', '/v1/messages', { query }),
        )
        for (const message of items) print(message)
        left -= items.length
        position = newer
        if (caughtUp) return
      }
    })
}
