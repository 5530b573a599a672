import { type Command, Option } from 'commander'
import type { components } from '../../../clients/typescript/src/openapi.ts'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import { Misuse } from '../failures.ts'
import { connect } from '../globals.ts'
import { commandLimits } from '../limits.ts'
import { messagePrinter } from '../message-text.ts'
import { millisecondsOf, parseCount, parseCountOrZero, parseSeconds } from '../numbers.ts'
import type { Field, Output } from '../output.ts'
import { addParked } from './parked.ts'
import { addWork } from './work.ts'

type Schemas = components['schemas']
type View = Schemas['ConsumerInfo'] & Partial<Schemas['ConsumerState']>

const orders = ['none', 'author', 'strict'] as const
const verdicts = ['ack', 'retry', 'progress', 'drop'] as const

export function addConsumers(program: Command): void {
  const consumers = program
    .command('consumers')
    .description('positions in the log that workers share: list, create or remove one, take its messages, work on them')
  addManagement(consumers)
  consumers
    .command('pull')
    .description('take messages of a consumer, and print them; without --ack they come again unless `consumers ack` names them')
    .argument('<name>')
    .option('-n, --limit <count>', 'maximum number of messages', parseCount, 1)
    .option('--wait <seconds>', 'how long to wait for a first message', parseSeconds, 0)
    .option('--ack', 'acknowledge them when they are printed')
    .option('--template <text>', 'how a message is printed, such as "{receivedAt} {topic} {data}"')
    .action(async (name: string, options: { limit: number; wait: number; ack?: boolean; template?: string }, command: Command) => {
      const { remote, output } = await connect(command)
      const print = options.template === undefined ? undefined : messagePrinter(output, options.template)
      const body = { limit: options.limit, waitMs: millisecondsOf(options.wait) ?? 0 }
      const { items } = await remote.call('post', '/v1/consumers/{name}/pull', { path: { name }, body })
      for (const item of items) {
        const { message, attempt, claim } = item
        if (output.isJson) output.json(item)
        else if (print !== undefined) print(message)
        else output.row([claim, `${attempt}`, message.topic ?? 'direct', JSON.stringify(message.data)])
      }
      if (options.ack !== true || items.length === 0) return
      const ids = items.map(({ message }) => message.id)
      await remote.patiently(commandLimits.patienceMs, () =>
        remote.call('post', '/v1/consumers/{name}/acks', { path: { name }, body: { ids } }),
      )
    })
  consumers
    .command('ack')
    .description('say what became of messages that were taken, or are parked')
    .argument('<name>')
    .argument('<claim...>', 'claims, as `consumers pull` prints them; for ack and drop also ids of messages')
    .addOption(new Option('--verdict <verdict>', 'ack: done; drop: never again').choices(verdicts).default('ack'))
    .option('--delay <seconds>', 'pause before a retry', parseSeconds)
    .action(async (name: string, names: string[], options: { verdict: (typeof verdicts)[number]; delay?: number }, command: Command) => {
      const { remote, output } = await connect(command)
      const named = names.every(isClaim) ? { claims: names } : { ids: names.map(idOf) }
      const body = { ...named, ...omitUndefined({ verdict: options.verdict, delayMs: millisecondsOf(options.delay) }) }
      const { settled, unknown } = await remote.patiently(commandLimits.patienceMs, () =>
        remote.call('post', '/v1/consumers/{name}/acks', { path: { name }, body }),
      )
      if (output.isJson) return output.json({ settled, unknown })
      for (const id of settled) output.row([id, 'settled'])
      for (const id of unknown) output.row([id, 'unknown'])
    })
  addParked(consumers)
  addWork(consumers)
}

/** A claim is the id of a message, "~", and what tells the delivery from others. */
const isClaim = (text: string) => text.includes('~')
const idOf = (text: string) => text.split('~')[0] ?? text

interface HandingOut {
  ackWait?: number
  maxUnacked?: number
  maxDeliveries?: number
  backoff?: number
}

const withHandingOut = (command: Command) =>
  command
    .option('--ack-wait <seconds>', 'how long a worker may take for a message', parseSeconds)
    .option('--max-unacked <count>', 'messages that workers have at a time, all together', parseCount)
    .option('--max-deliveries <count>', 'deliveries after which a message is parked; 0 for no limit', parseCountOrZero)
    .option('--backoff <seconds>', 'pause before a retry, doubled with each delivery', parseSeconds)

const handingOutOf = ({ ackWait, maxUnacked, maxDeliveries, backoff }: HandingOut) =>
  omitUndefined({ ackWaitMs: millisecondsOf(ackWait), maxUnacked, maxDeliveries, backoffMs: millisecondsOf(backoff) })

function addManagement(consumers: Command): void {
  consumers
    .command('list', { isDefault: true })
    .description('list consumers')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const { items } = await remote.patiently(commandLimits.listPatienceMs, () => remote.call('get', '/v1/consumers'))
      if (output.isJson) for (const item of items) output.json(item)
      else {
        output.table(items, {
          CONSUMER: ({ name }) => name,
          TOPICS: selectionOf,
          ORDER: ({ order }) => order,
          POSITION: ({ position }) => position,
          GAPS: ({ gaps }) => gaps,
          CREATED: ({ createdAt }) => createdAt,
        })
      }
    })
  consumers
    .command('show')
    .description('show a consumer, and what it has to do')
    .argument('<name>')
    .action(async (name: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      show(await remote.call('get', '/v1/consumers/{name}', { path: { name } }), output)
    })
  withHandingOut(
    consumers
      .command('create')
      .description('create a consumer; one that exists with the same settings stays as it is')
      .argument('<name>')
      .argument('[topic...]', 'topics or patterns'),
  )
    .option('--direct', 'also direct messages to the gateway')
    .option('--after <cursor>', 'begin after this cursor, or at "earliest"; default: new messages only')
    .addOption(new Option('--order <order>', 'which messages wait for others').choices(orders))
    .action(
      async (
        name: string,
        topics: string[],
        options: HandingOut & { direct?: boolean; after?: string; order?: (typeof orders)[number] },
        command: Command,
      ) => {
        const { direct, after, order } = options
        if (topics.length === 0 && direct !== true) throw new Misuse('Name topics, or --direct.')
        const { remote, output } = await connect(command)
        const body = { topics, ...omitUndefined({ direct, after, order }), ...handingOutOf(options) }
        show(await remote.call('put', '/v1/consumers/{name}', { path: { name }, body }), output)
      },
    )
  withHandingOut(consumers.command('update').description('change how a consumer delivers').argument('<name>')).action(
    async (name: string, options: HandingOut, command: Command) => {
      const body = handingOutOf(options)
      if (Object.keys(body).length === 0) throw new Misuse('Name what is to change.')
      const { remote, output } = await connect(command)
      show(await remote.call('patch', '/v1/consumers/{name}', { path: { name }, body }), output)
    },
  )
  consumers
    .command('delete')
    .description('remove a consumer, and end its workers; the messages stay in the log')
    .argument('<name>')
    .action(async (name: string, _options: object, command: Command) => {
      const { remote } = await connect(command)
      await remote.call('delete', '/v1/consumers/{name}', { path: { name } })
    })
}

const selectionOf = ({ topics, direct }: View) => [...topics, ...(direct ? ['(direct)'] : [])].join(' ')

function show(consumer: View, output: Output): void {
  if (output.isJson) output.json(consumer)
  else output.fields(fieldsOf(consumer))
}

function fieldsOf(consumer: View): Field[] {
  const { lastGap } = consumer
  return [
    ['name', consumer.name],
    ['topics', selectionOf(consumer)],
    ['order', consumer.order],
    ['ack wait', `${consumer.ackWaitMs / 1_000} s`],
    ['max unacked', consumer.maxUnacked],
    ['max deliveries', consumer.maxDeliveries === 0 ? 'no limit' : consumer.maxDeliveries],
    ['backoff', `${consumer.backoffMs / 1_000} s`],
    ['created', `${consumer.createdAt}, by ${consumer.createdBy}`],
    ['position', consumer.position],
    ['gaps', lastGap === undefined ? consumer.gaps : `${consumer.gaps}, the last one after ${lastGap.from} up to ${lastGap.to}`],
    ['pending', consumer.isPendingExact === false ? `${consumer.pending} or more` : consumer.pending],
    ['waiting', consumer.waiting],
    ['unacked', consumer.unacked],
    ['parked', consumer.parked],
    ['workers here', consumer.workers],
    ['delivered here', consumer.traffic?.delivered],
    ['settled here', consumer.traffic?.settled],
  ]
}
