import type { Command } from 'commander'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import { Misuse } from '../failures.ts'
import { connect } from '../globals.ts'
import { commandLimits } from '../limits.ts'
import { listed } from '../listed.ts'
import type { Remote } from '../remote.ts'

const { listPatienceMs, maxAckIds, pageItems, patienceMs } = commandLimits

export function addParked(consumers: Command): void {
  const parked = consumers.command('parked').description('messages that were delivered often enough in vain: list, replay or drop them')
  parked
    .command('list')
    .description('list parked messages of a consumer, the oldest first')
    .argument('<name>')
    .action(async (name: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const rows = await listed(remote, (query) => remote.call('get', '/v1/consumers/{name}/parked', { path: { name }, query }))
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          MESSAGE: ({ id }) => id,
          ATTEMPTS: ({ attempts }) => attempts,
          TOPIC: ({ message }) => message?.topic ?? (message === undefined ? '' : 'direct'),
          RECEIVED: ({ message }) => message?.receivedAt,
          DATA: ({ message }) => (message === undefined ? '(gone)' : JSON.stringify(message.data)),
        })
      }
    })
  parked
    .command('replay')
    .description('deliver parked messages again, from the first attempt')
    .argument('<name>')
    .argument('[id...]', 'ids of messages; all that are parked by default')
    .action(async (name: string, ids: string[], _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      let replayed = 0
      for (const part of ids.length === 0 ? [undefined] : partsOf(ids)) {
        const body = omitUndefined({ ids: part })
        const answer = await remote.patiently(patienceMs, () =>
          remote.call('post', '/v1/consumers/{name}/parked/replay', { path: { name }, body }),
        )
        replayed += answer.replayed
      }
      if (output.isJson) output.json({ replayed })
      else output.row([`${replayed}`, 'replayed'])
    })
  parked
    .command('drop')
    .description('never deliver parked messages again')
    .argument('<name>')
    .argument('[id...]', 'ids of messages')
    .option('--all', 'all that are parked')
    .action(async (name: string, ids: string[], { all = false }: { all?: boolean }, command: Command) => {
      if (ids.length > 0 === all) throw new Misuse('Name messages, or --all.')
      const { remote, output } = await connect(command)
      let dropped = 0
      for await (const part of all ? allParked(remote, name) : partsOf(ids)) {
        const body = { ids: part, verdict: 'drop' as const }
        const { settled } = await remote.patiently(patienceMs, () =>
          remote.call('post', '/v1/consumers/{name}/acks', { path: { name }, body }),
        )
        dropped += settled.length
      }
      if (output.isJson) output.json({ dropped })
      else output.row([`${dropped}`, 'dropped'])
    })
}

function* partsOf(ids: string[]): Generator<string[]> {
  for (let first = 0; first < ids.length; first += maxAckIds) yield ids.slice(first, first + maxAckIds)
}

/** The ids of the messages that are parked, page by page. */
async function* allParked(remote: Remote, name: string): AsyncGenerator<string[]> {
  for (let after: string | null | undefined; after !== null; ) {
    const query = { limit: pageItems, ...omitUndefined({ after }) }
    const page = await remote.patiently(listPatienceMs, () => remote.call('get', '/v1/consumers/{name}/parked', { path: { name }, query }))
    if (page.items.length > 0) yield page.items.map(({ id }) => id)
    after = page.next
  }
}
