import type { Command } from 'commander'
import type { Message } from '../../../clients/typescript/src/index.ts'
import { runChild } from '../child.ts'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed, Misuse } from '../failures.ts'
import { outputOf } from '../globals.ts'
import { messagePrinter } from '../message-text.ts'
import { parseCount } from '../numbers.ts'
import { openState, type StateFile } from '../state-file.ts'

interface Options {
  after?: string
  state?: string
  limit?: number
  direct?: boolean
  template?: string
  exec?: string
}

export function addFollow(program: Command): void {
  program
    .command('follow')
    .description('print messages as they come, over lost connections and restarts of the gateway')
    .argument('[topic...]', 'topics or patterns')
    .option('--after <cursor>', 'start after this cursor, or at "earliest"; default: new messages only')
    .option('--state <file>', 'keep the position in a file, and go on there the next time')
    .option('--direct', 'also direct messages to the gateway')
    .option('-n, --limit <count>', 'stop after this number of messages', parseCount)
    .option('--template <text>', 'how a message is printed, such as "{receivedAt} {topic} {data}"')
    .option('--exec <command>', 'run a command of the shell for each message, with its data as input; end when one fails')
    .action(async (topics: string[], options: Options, command: Command) => {
      if (topics.length === 0 && options.direct !== true) throw new Misuse('Name topics to follow, or --direct.')
      const state = options.state === undefined ? undefined : openState(options.state)
      try {
        await follow(topics, { ...options, after: state?.cursor ?? options.after ?? 'latest' }, { command, state })
      } finally {
        state?.close()
      }
    })
}

async function follow(
  topics: string[],
  { after, limit = Number.POSITIVE_INFINITY, direct = false, template, exec }: Options & { after: string },
  { command, state }: { command: Command; state: StateFile | undefined },
): Promise<void> {
  const { withClient } = await import('../stream-client.ts')
  const print = messagePrinter(outputOf(command), template)
  await withClient(command, async (client, signal) => {
    let left = limit
    for await (const item of client.subscribe(topics, { after, direct, signal })) {
      if (item.type === 'gap') process.stderr.write(`Messages after ${item.from} up to ${item.to} are missing: ${item.reason}.\n`)
      if (item.type === 'message') {
        if (exec === undefined) print(item.message)
        else await runFor(item.message, exec)
        left--
      }
      state?.save(item.cursor)
      if (left === 0) return
    }
  })
}

/** @throws CommandFailed when the command does: the message is not counted as had */
async function runFor(message: Message, exec: string): Promise<void> {
  const { bytesOf } = await import('../../../clients/typescript/src/index.ts')
  const env = {
    PEERGATE_MESSAGE_ID: message.id,
    PEERGATE_MESSAGE_CURSOR: message.cursor,
    PEERGATE_MESSAGE_TOPIC: message.topic ?? '',
    PEERGATE_MESSAGE_FROM: message.from,
  }
  const { code } = await runChild(['sh', '-c', exec], bytesOf(message), { env, shown: true })
  if (code !== 0)
    throw new CommandFailed(`The command ended with ${code} for the message ${message.id} at ${message.cursor}.`, exitCodes.failure)
}
