import type { Command } from 'commander'
import { outputOf } from '../globals.ts'

interface CreateOptions {
  name: string
  actions: string
  topics?: string
  expires?: string
}

/** Creates, lists and revokes access tokens in the configured database, whether or not a gateway is running. */
export function addToken(program: Command): void {
  const token = program.command('token').description("the access tokens in this machine's database (configured as for start)")
  token
    .command('create')
    .description('create a token, and print its secret, which is shown only once')
    .requiredOption('--name <name>', 'what it is for')
    .requiredOption('--actions <actions>', 'what it allows, with commas in between: read, publish, …')
    .option('--topics <patterns>', 'for which topics; all by default')
    .option('--expires <time>', 'until when (RFC 3339)')
    .action(async ({ name, actions, topics, expires }: CreateOptions, command: Command) => {
      const given = {
        name,
        actions: actions.split(','),
        ...(topics === undefined ? {} : { topics: topics.split(',') }),
        expiresAt: expires,
      }
      const made = await (await local()).createToken(given)
      const output = outputOf(command)
      if (output.isJson) return output.json({ ...made.token, secret: made.secret })
      output.line(made.secret)
      const { id, actions: allowed, topics: on } = made.token
      process.stderr.write(`${id} "${name}": ${allowed.join(', ')} on ${on.join(', ')}. The secret is shown only once.\n`)
    })
  token
    .command('list')
    .description('list tokens, one on each line, as JSON')
    .action(async (_options: object, command: Command) => {
      for (const each of await (await local()).withTokens((tokens) => tokens.list())) outputOf(command).json(each)
    })
  token
    .command('revoke')
    .description('revoke a token')
    .argument('<id>')
    .action(async (id: string) => await (await local()).withTokens((tokens) => tokens.revoke(id)))
}

/** The parts of a gateway that do it, which other commands need not load. */
const local = () => import('../local/tokens.ts')
