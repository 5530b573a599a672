import type { Command } from 'commander'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed, Misuse } from '../failures.ts'
import { connect } from '../globals.ts'
import { type Payload, payloadOf, readInput, readLines } from '../input.ts'
import { commandLimits } from '../limits.ts'
import { parseSeconds } from '../numbers.ts'
import { type Published, publish, publishAll } from '../publish-lines.ts'

interface Options {
  file?: string
  lines?: boolean
  ndjson?: boolean
  patience: number
}

export function addPublish(program: Command): void {
  program
    .command('publish')
    .description('publish to a topic: DATA, what comes by the standard input, or each of its lines')
    .argument('<topic>')
    .argument('[data]', 'the message; - or nothing: the standard input')
    .option('-f, --file <file>', 'read a file instead of the standard input')
    .option('-l, --lines', 'publish each line as a message, as it comes')
    .option('--ndjson', 'publish each line as a message of JSON')
    .option('--patience <seconds>', 'how long to try when the gateway is busy or not there', parseSeconds, commandLimits.patienceMs / 1_000)
    .action(async (topic: string, data: string | undefined, options: Options, command: Command) => {
      const { remote, output } = await connect(command)
      const patienceMs = options.patience * 1_000
      const show = (published: Published) => (output.isJson ? output.json(published) : output.row([published.cursor, published.id]))
      if (options.lines !== true && options.ndjson !== true) {
        const messages = [{ topic, ...payloadOf(await readInput({ data, file: options.file })) }]
        for (const item of await publish(remote, messages, patienceMs)) show(item)
        return
      }
      if (data !== undefined && data !== '-')
        throw new Misuse('With --lines and --ndjson the messages come from the standard input or a file.')
      const payloads = linesAsPayloads(readLines(options.file), options.ndjson === true)
      let count = 0
      let progress = { end() {} }
      for await (const items of publishAll({ topic, publish: (messages) => publish(remote, messages, patienceMs) }, payloads)) {
        for (const item of items) show(item)
        count += items.length
        progress = output.progress(`${count} published`)
      }
      progress.end()
    })
}

async function* linesAsPayloads(lines: AsyncIterable<string>, isJson: boolean): AsyncGenerator<Payload> {
  let number = 0
  for await (const line of lines) {
    number++
    if (!isJson) yield { data: line, encoding: 'utf8' }
    else if (line.trim() !== '') yield { data: parsed(line, number), encoding: 'json' }
  }
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new CommandFailed(`line ${number} is not JSON; the lines before it are published`, exitCodes.failure, { cause })
  }
}
