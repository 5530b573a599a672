import type { Command } from 'commander'
import type { components } from '../../../clients/typescript/src/openapi.ts'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed, Misuse } from '../failures.ts'
import { connect } from '../globals.ts'
import { listed } from '../listed.ts'
import { millisecondsOf, parseCount, parseSeconds } from '../numbers.ts'
import type { Field, Output } from '../output.ts'

type Schemas = components['schemas']
type Webhook = Schemas['Webhook']

export function addWebhooks(program: Command): void {
  const webhooks = program
    .command('webhooks')
    .description('requests that carry messages to a URL: list, create, change, test or delete one')
  addLooking(webhooks)
  addCreation(webhooks)
  addChanges(webhooks)
  webhooks
    .command('test')
    .description('send a test, and show the answer; the exit code tells whether the receiver accepted it')
    .argument('<id>')
    .action(async (id: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const { status, error, durationMs, body, ...more } = await remote.call('post', '/v1/webhooks/{id}/test', { path: { id } })
      if (output.isJson) output.json({ ...more, status, durationMs, error, body })
      else output.row([`${status ?? 'no answer'}`, `${durationMs} ms`, body])
      if (error !== null) throw new CommandFailed(`The test failed: ${error}`, exitCodes.failure)
    })
  webhooks
    .command('delete')
    .description('delete a webhook')
    .argument('<id>')
    .action(async (id: string, _options: object, command: Command) => {
      const { remote } = await connect(command)
      await remote.call('delete', '/v1/webhooks/{id}', { path: { id } })
    })
}

function addLooking(webhooks: Command): void {
  webhooks
    .command('list', { isDefault: true })
    .description('list webhooks')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const rows = await listed(remote, (query) => remote.call('get', '/v1/webhooks', { query }))
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          WEBHOOK: ({ id }) => id,
          STATE: ({ state }) => state,
          URL: ({ url }) => url,
          TOPICS: selectionOf,
          CURSOR: ({ cursor }) => cursor,
          FAILURES: ({ failures }) => failures,
          ERROR: ({ lastError }) => lastError ?? '',
        })
      }
    })
  webhooks
    .command('show')
    .description('show a webhook')
    .argument('<id>')
    .action(async (id: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      show(await remote.call('get', '/v1/webhooks/{id}', { path: { id } }), output)
    })
  webhooks
    .command('attempts')
    .description('list the last requests of a webhook')
    .argument('<id>')
    .action(async (id: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const { items } = await remote.call('get', '/v1/webhooks/{id}/attempts', { path: { id } })
      if (output.isJson) for (const item of items) output.json(item)
      else {
        output.table(items, {
          AT: ({ at }) => at,
          REQUEST: ({ webhookId }) => webhookId,
          MESSAGES: ({ messages }) => messages,
          STATUS: ({ status }) => status ?? '',
          DURATION: ({ durationMs }) => `${durationMs} ms`,
          ERROR: ({ error }) => error ?? '',
        })
      }
    })
}

interface Settings {
  batchSize?: number
  batchWait?: number
  timeout?: number
  header?: string[]
}

const withSettings = (command: Command) =>
  command
    .option('--batch-size <count>', 'maximum messages in a request', parseCount)
    .option('--batch-wait <seconds>', 'how long a request that is not full waits for more messages', parseSeconds)
    .option('--timeout <seconds>', 'how long the receiver has for its answer', parseSeconds)
    .option('--header <field...>', 'additional header fields, such as "Authorization: Bearer secret"')

function settingsOf({ batchSize, batchWait, timeout, header }: Settings) {
  const headers = header?.map(headerOf)
  return omitUndefined({ batchSize, batchMs: millisecondsOf(batchWait), timeoutMs: millisecondsOf(timeout), headers })
}

/** @throws Misuse */
function headerOf(text: string): Schemas['WebhookHeader'] {
  const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(text) ?? []
  if (name === undefined || value === undefined) throw new Misuse(`"${text}" is not a header field: name it as "Name: value".`)
  return { name, value }
}

function addCreation(webhooks: Command): void {
  withSettings(
    webhooks
      .command('create')
      .description('create a webhook, and print its id and its secret, which is shown only once')
      .argument('<url>')
      .argument('[topic...]', 'topics or patterns'),
  )
    .option('--direct', 'also direct messages to the gateway')
    .option('--after <cursor>', 'begin after this cursor, or at "earliest"; default: new messages only')
    .action(async (url: string, topics: string[], options: Settings & { direct?: boolean; after?: string }, command: Command) => {
      const { direct, after } = options
      if (topics.length === 0 && direct !== true) throw new Misuse('Name topics, or --direct.')
      const { remote, output } = await connect(command)
      const body = { url, topics, ...omitUndefined({ direct, after }), ...settingsOf(options) }
      printSecret(await remote.call('post', '/v1/webhooks', { body }), output)
    })
}

function addChanges(webhooks: Command): void {
  const change = async (id: string, body: Schemas['WebhookChanges'], command: Command) => {
    const { remote, output } = await connect(command)
    show(await remote.call('patch', '/v1/webhooks/{id}', { path: { id }, body }), output)
  }
  withSettings(
    webhooks
      .command('update')
      .description('change a webhook; what is not named stays')
      .argument('<id>')
      .option('--url <url>', 'where the messages go')
      .option('--topic <topic...>', 'topics or patterns, instead of those before')
      .option('--direct', 'also direct messages to the gateway')
      .option('--no-direct', 'no direct messages'),
  ).action(async (id: string, options: Settings & { url?: string; topic?: string[]; direct?: boolean }, command: Command) => {
    const { url, topic: topics, direct } = options
    const body = { ...omitUndefined({ url, topics, direct }), ...settingsOf(options) }
    if (Object.keys(body).length === 0) throw new Misuse('Name what is to change.')
    await change(id, body, command)
  })
  webhooks
    .command('pause')
    .description('send nothing until it is resumed')
    .argument('<id>')
    .action(async (id: string, _options: object, command: Command) => await change(id, { state: 'paused' }, command))
  webhooks
    .command('resume')
    .description('continue, and try at once')
    .argument('<id>')
    .option('--after <cursor>', 'from this cursor on, or from "earliest": what was sent before is sent again')
    .action(
      async (id: string, { after }: { after?: string }, command: Command) =>
        await change(id, { state: 'active', ...omitUndefined({ after }) }, command),
    )
  webhooks
    .command('rotate')
    .description('replace the secret, and print the new one; for a day both sign')
    .argument('<id>')
    .action(async (id: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      printSecret(await remote.call('post', '/v1/webhooks/{id}/secret', { path: { id } }), output)
    })
}

const selectionOf = ({ topics, direct }: Webhook) => [...topics, ...(direct ? ['(direct)'] : [])].join(' ')

function printSecret(made: Schemas['WebhookWithSecret'], output: Output): void {
  if (output.isJson) output.json(made)
  else output.row([made.id, made.secret])
  output.note('The secret is shown only once.')
}

function show(webhook: Webhook, output: Output): void {
  if (output.isJson) output.json(webhook)
  else output.fields(fieldsOf(webhook))
}

function fieldsOf(webhook: Webhook): Field[] {
  const { gap } = webhook
  return [
    ['id', webhook.id],
    ['url', webhook.url],
    ['topics', selectionOf(webhook)],
    ['created', `${webhook.createdAt}, by ${webhook.createdBy}`],
    ['state', webhook.state],
    ['cursor', webhook.cursor],
    ['batch', `${webhook.batchSize} messages, or after ${webhook.batchMs / 1_000} s`],
    ['timeout', `${webhook.timeoutMs / 1_000} s`],
    ['headers', webhook.headers.map(({ name }) => name).join(' ')],
    ['accepted', webhook.acceptedAt],
    ['failures', webhook.failures],
    ['failing since', webhook.failingSince],
    ['next attempt', webhook.retryAt],
    ['last error', webhook.lastError],
    ['gap', gap === undefined ? undefined : `after ${gap.from} up to ${gap.to}: ${gap.reason}`],
    ['old secret until', webhook.oldSecretUntil],
    ...webhook.publicKeys.map((key): Field => ['public key', key]),
  ]
}
