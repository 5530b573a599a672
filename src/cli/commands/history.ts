import { type Command, Option } from 'commander'
import { z } from 'zod'
import { connect } from '../globals.ts'
import { commandLimits } from '../limits.ts'
import { messagePrinter } from '../message-text.ts'
import { parseCount } from '../numbers.ts'

/** A message: what is shown of it, and the rest, which JSON shows too. */
const messageSchema = z.looseObject({
  cursor: z.string(),
  id: z.string(),
  topic: z.string().optional(),
  from: z.string(),
  data: z.string(),
  encoding: z.string(),
  receivedAt: z.string(),
})

const pageSchema = z.object({ items: z.array(messageSchema), newer: z.string(), caughtUp: z.boolean() })

interface Options {
  after: string
  since?: string
  until?: string
  from?: string
  kind?: string
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
    .addOption(new Option('--kind <kind>', 'only of topics, or only direct messages').choices(['topic', 'direct']))
    .option('-n, --limit <count>', 'maximum number of messages', parseCount)
    .option('--template <text>', 'how a message is printed, such as "{receivedAt} {topic} {data}"')
    .action(async (topics: string[], options: Options, command: Command) => {
      const { after, since, until, from, kind, limit = Number.POSITIVE_INFINITY, template } = options
      const { remote, output } = await connect(command)
      const print = messagePrinter(output, template)
      let left = limit
      for (let position = after; left > 0; ) {
        const query = {
          topic: topics,
          after: position,
          since,
          until,
          from,
          kind,
          order: 'asc',
          limit: Math.min(left, commandLimits.pageItems),
        }
        // A long history may use up the budget of its client, and then goes on more slowly.
        const { items, newer, caughtUp } = await remote.call('GET', '/v1/messages', pageSchema, {
          query,
          patienceMs: commandLimits.patienceMs,
        })
        for (const message of items) print(message)
        left -= items.length
        position = newer
        if (caughtUp) return
      }
    })
}
