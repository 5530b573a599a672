import type { Command } from 'commander'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import { connect } from '../globals.ts'
import { listed } from '../listed.ts'
import { millisecondsOf, parseCount, parseSeconds } from '../numbers.ts'

export function addTopics(program: Command): void {
  const topics = program.command('topics').description('the topics of the gateway: list them, join or leave one, say what it keeps')
  topics
    .command('list', { isDefault: true })
    .description('list topics')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const rows = await listed(remote, (query) => remote.call('get', '/v1/topics', { query }))
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          TOPIC: ({ topic }) => topic,
          JOINED: ({ joined }) => (joined ? 'yes' : 'no'),
          MESSAGES: ({ messages }) => messages,
          BYTES: ({ bytes }) => bytes,
          SUBSCRIBERS: ({ subscribers }) => subscribers,
          LATEST: ({ latest }) => latest ?? '',
        })
      }
    })
  topics
    .command('join')
    .description('join a topic: the gateway stores its messages from now on, even without followers')
    .argument('<topic>')
    .action(async (topic: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const joined = await remote.call('post', '/v1/topics', { body: { topic } })
      if (output.isJson) output.json(joined)
    })
  topics
    .command('users')
    .description('list the clients because of which a topic is joined')
    .argument('<topic>')
    .action(async (topic: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const { items } = await remote.call('get', '/v1/topics/{topic}/users', { path: { topic } })
      if (output.isJson) for (const item of items) output.json(item)
      else {
        output.table(items, {
          CLIENT: ({ client }) => client,
          EXPLICIT: ({ explicit }) => (explicit ? 'yes' : 'no'),
          JOINED: ({ joinedAt }) => joinedAt,
          USED: ({ usedAt }) => usedAt,
        })
      }
    })
  topics
    .command('leave')
    .description('leave a topic; what is stored stays')
    .argument('<topic>')
    .action(async (topic: string, _options: object, command: Command) => {
      const { remote } = await connect(command)
      await remote.call('delete', '/v1/topics/{topic}', { path: { topic } })
    })
  topics
    .command('retain')
    .description('change how much of a topic is kept; limits that are not given do not change')
    .argument('<topic>')
    .option('--age <seconds>', 'maximum age of messages; 0 for no limit', parseSeconds)
    .option('--messages <count>', 'maximum number of messages', parseCount)
    .option('--bytes <count>', 'maximum bytes of data', parseCount)
    .action(async (topic: string, options: { age?: number; messages?: number; bytes?: number }, command: Command) => {
      const { remote, output } = await connect(command)
      const { age, messages: maxMessages, bytes: maxBytes } = options
      const retention = omitUndefined({ maxAgeMs: millisecondsOf(age), maxMessages, maxBytes })
      const changed = await remote.call('patch', '/v1/topics/{topic}', { path: { topic }, body: { retention } })
      output.json(changed.retention)
    })
}
