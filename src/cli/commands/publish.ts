import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { z } from 'zod'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed, Misuse } from '../failures.ts'
import { connect } from '../globals.ts'
import { type Payload, payloadOf, readInput, readLines } from '../input.ts'
import { parseSeconds } from '../numbers.ts'
import type { Remote } from '../remote.ts'

interface Options {
  file?: string
  lines?: boolean
  ndjson?: boolean
  patience: number
}

const publishedSchema = z.object({ id: z.string(), cursor: z.string(), topic: z.string(), recipients: z.number() })
type Published = z.infer<typeof publishedSchema>

const listSchema = z.object({ items: z.array(publishedSchema) })

/** As many messages as one request may have. */
const maxBatch = 500
const maxBatchBytes = 256 * 1024

export function addPublish(program: Command): void {
  program
    .command('publish')
    .description('publish to a topic: DATA, what comes by the standard input, or each of its lines')
    .argument('<topic>')
    .argument('[data]', 'the message; - or nothing: the standard input')
    .option('-f, --file <file>', 'read a file instead of the standard input')
    .option('-l, --lines', 'publish each line as a message, as it comes')
    .option('--ndjson', 'publish each line as a message of JSON')
    .option('--patience <seconds>', 'how long to try when the gateway is busy or not there', parseSeconds, 30)
    .action(async (topic: string, data: string | undefined, options: Options, command: Command) => {
      const { remote, output } = await connect(command)
      const patienceMs = options.patience * 1_000
      const show = (published: Published) => (output.isJson ? output.json(published) : output.line(`${published.cursor}\t${published.id}`))
      if (options.lines !== true && options.ndjson !== true) {
        const messages = [{ topic, ...payloadOf(await readInput({ data, file: options.file })) }]
        const { items } = await publish(remote, messages, patienceMs)
        for (const item of items) show(item)
        return
      }
      if (data !== undefined && data !== '-')
        throw new Misuse('With --lines and --ndjson the messages come from the standard input or a file.')
      const payloads = linesAsPayloads(readLines(options.file), options.ndjson === true)
      let count = 0
      for await (const items of publishAll({ remote, topic, patienceMs }, payloads)) {
        for (const item of items) show(item)
        count += items.length
        output.note(`\u001b[1A\u001b[2K${count} published`)
      }
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

/** Publishes messages in their order, each once: those that came while a request was on its way go together with the next one. */
async function* publishAll(
  init: { remote: Remote; topic: string; patienceMs: number },
  payloads: AsyncGenerator<Payload>,
): AsyncGenerator<Published[]> {
  const { remote, topic, patienceMs } = init
  let next = payloads.next()
  for (let result = await next; result.done !== true; ) {
    const batch = [{ topic, ...result.value }]
    let bytes = sizeOf(result.value)
    next = payloads.next()
    let ready = await now(next)
    while (ready !== undefined && ready.done !== true && batch.length < maxBatch && bytes < maxBatchBytes) {
      batch.push({ topic, ...ready.value })
      bytes += sizeOf(ready.value)
      next = payloads.next()
      ready = await now(next)
    }
    // A line that cannot be read ends the command after what came before it.
    next.catch(() => undefined)
    yield (await publish(remote, batch, patienceMs)).items
    result = await next
  }
}

const sizeOf = ({ data }: Payload) => (typeof data === 'string' ? data.length : JSON.stringify(data).length)

/** What a promise has come to, if it has. */
async function now<T>(promise: Promise<T>): Promise<T | undefined> {
  return await Promise.race([promise, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]).catch(() => undefined)
}

async function publish(remote: Remote, messages: object[], patienceMs: number) {
  return await remote.call('POST', '/v1/messages', listSchema, { body: { messages }, idempotencyKey: randomUUID(), patienceMs })
}
