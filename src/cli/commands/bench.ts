import { Argument, type Command } from 'commander'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import { contextOf, outputOf } from '../globals.ts'
import { parseCount } from '../numbers.ts'

interface Options {
  messages: number
  size: number
  outstanding: number
  followers: number
}

const kinds = ['publish', 'fan-out', 'request'] as const

export function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure a running gateway: publications, deliveries to followers, or requests to a service and back')
    .addArgument(new Argument('<kind>', 'what to measure; messages stay in a topic of their own').choices(kinds))
    .option('-n, --messages <count>', 'messages or requests', parseCount, 5_000)
    .option('--size <bytes>', 'bytes of each', parseCount, 256)
    .option('--outstanding <count>', 'how many wait for their answer at a time', parseCount, 64)
    .option('--followers <count>', 'followers, each with a stream of its own (fan-out)', parseCount, 10)
    .action(async (kind: (typeof kinds)[number], options: Options, command: Command) => {
      const [{ withClient }, { measure }, { createClient }] = await Promise.all([
        import('../stream-client.ts'),
        import('../bench-runs.ts'),
        import('../../../clients/typescript/src/index.ts'),
      ])
      const { url, token } = await contextOf(command)
      const output = outputOf(command)
      await withClient(command, async (client, signal) => {
        const result = await measure(kind, options, { client, signal, open: () => createClient({ url, ...omitUndefined({ token }) }) })
        if (output.isJson) output.json(result)
        else output.table(Object.entries(result), { MEASURED: ([name]) => name, VALUE: ([, value]) => value })
      })
    })
}
