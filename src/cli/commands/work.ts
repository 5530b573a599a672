import { type Command, Option } from 'commander'
import type { Verdict } from '../../../clients/typescript/src/index.ts'
import { runChild } from '../child.ts'
import { workOn } from '../consumer-work.ts'
import { connect } from '../globals.ts'
import { parseCount, parseSeconds } from '../numbers.ts'
import { stopSignal } from '../stop-signal.ts'

/** What the exit code of a program says of a message; with any other the default applies. */
const verdicts: Record<number, Verdict> = { 0: 'accept', 1: 'ignore', 2: 'reject' }

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('serve requests by a program: its input is the request, its output the answer; when it fails, its errors are')
    .argument('<service>')
    .argument('<program...>', 'after --: the program and its arguments')
    .option('--concurrency <count>', 'requests at a time', parseCount, 1)
    .action(async (service: string, words: string[], { concurrency }: { concurrency: number }, command: Command) => {
      const [{ withClient }, { bytesOf }] = await clients()
      await withClient(command, async (client, signal) => {
        const registration = await client.serve(
          service,
          async (request) => {
            const env = { PEERGATE_REQUEST_FROM: request.from, PEERGATE_REQUEST_DEADLINE: request.deadline }
            const { code, stdout, stderr } = await runChild(words, bytesOf(request), { env, signal: request.signal })
            if (code !== 0) throw new Error(stderr.trim() || `the program ended with ${code}`)
            return stdout
          },
          { concurrency, signal },
        )
        process.stderr.write(`Serving ${service}.\n`)
        await registration.ended
      })
    })
}

export function addValidate(program: Command): void {
  program
    .command('validate')
    .description("judge others' messages of a topic by a program, before they are stored: 0 accepts, 1 ignores, 2 rejects")
    .argument('<topic>')
    .argument('<program...>', 'after --: the program and its arguments')
    .option('--deadline <seconds>', 'for a verdict', parseSeconds, 1)
    .addOption(new Option('--default <verdict>', 'without a verdict in time').choices(Object.values(verdicts)).default('ignore'))
    .action(async (topic: string, words: string[], options: { deadline: number; default: Verdict }, command: Command) => {
      const [{ withClient }, { bytesOf }] = await clients()
      await withClient(command, async (client, signal) => {
        const registration = await client.validate(
          topic,
          async (message) => {
            const env = { PEERGATE_MESSAGE_ID: message.id, PEERGATE_MESSAGE_FROM: message.from }
            const { code, stderr } = await runChild(words, bytesOf(message), { env })
            const verdict = verdicts[code]
            if (verdict === undefined) throw new Error(`the program ended with ${code}: ${stderr.trim()}`)
            return verdict
          },
          { deadlineMs: options.deadline * 1_000, default: options.default, signal },
        )
        process.stderr.write(`Judging ${topic}.\n`)
        await registration.ended
      })
    })
}

/** @param consumers the command that it is under */
export function addWork(consumers: Command): void {
  consumers
    .command('work')
    .description('run a program for each message, with its data as input: with 0 the message is done, otherwise it comes again later')
    .argument('<name>', 'the name of the consumer')
    .argument('<program...>', 'after --: the program and its arguments')
    .option('--concurrency <count>', 'messages at a time', parseCount, 1)
    .option('-n, --limit <count>', 'stop after this number of messages', parseCount)
    .action(async (name: string, words: string[], options: { concurrency: number; limit?: number }, command: Command) => {
      const { remote } = await connect(command)
      const { concurrency, limit = Number.POSITIVE_INFINITY } = options
      await workOn(name, { remote, concurrency, limit, words, signal: stopSignal(), say: (text) => process.stderr.write(`${text}\n`) })
    })
}

/** The stream, which other commands need not load. */
const clients = () => Promise.all([import('../stream-client.ts'), import('../../../clients/typescript/src/index.ts')])
