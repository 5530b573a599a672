import { Argument, type Command, InvalidArgumentError } from 'commander'
import { type Context, isContextName, readContexts, writeContexts } from '../contexts.ts'
import { Misuse } from '../failures.ts'
import { type GlobalOptions, outputOf } from '../globals.ts'

export function addContext(program: Command): void {
  const context = program.command('context').description('names for gateways, so that a command need not be told URL and token')
  context
    .command('list', { isDefault: true })
    .description('list contexts')
    .action(async (_options: object, command: Command) => {
      const { current, contexts } = await readContexts(process.env)
      const output = outputOf(command)
      const rows = Object.entries(contexts).map(([name, { url, token }]) => ({
        name,
        url,
        hasToken: token !== undefined,
        isCurrent: name === current,
      }))
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          NAME: ({ name }) => name,
          URL: ({ url }) => url,
          TOKEN: ({ hasToken }) => (hasToken ? 'yes' : 'no'),
          IN_USE: ({ isCurrent }) => (isCurrent ? 'yes' : ''),
        })
      }
    })
  context
    .command('add')
    .description('add a context of --url and --token, or change one, and use it')
    .addArgument(nameArgument())
    .action(async (name: string, _options: object, command: Command) => {
      const { url, token } = command.optsWithGlobals<GlobalOptions>()
      if (url === undefined || !URL.canParse(url)) throw new Misuse('--url says where the gateway is, such as http://127.0.0.1:7070')
      const { contexts } = await readContexts(process.env)
      const added: Context = { url, ...(token === undefined ? {} : { token }) }
      await writeContexts(process.env, { current: name, contexts: { ...contexts, [name]: added } })
    })
  context
    .command('use')
    .description('use a context')
    .addArgument(nameArgument())
    .action(async (name: string) => {
      const { contexts } = await readContexts(process.env)
      if (!Object.hasOwn(contexts, name)) throw new Misuse(`There is no context "${name}".`)
      await writeContexts(process.env, { current: name, contexts })
    })
  context
    .command('remove')
    .description('remove a context, and its token from this machine')
    .addArgument(nameArgument())
    .action(async (name: string) => {
      const { current, contexts } = await readContexts(process.env)
      const { [name]: removed, ...left } = contexts
      if (removed === undefined) throw new Misuse(`There is no context "${name}".`)
      await writeContexts(process.env, { ...(current === name || current === undefined ? {} : { current }), contexts: left })
    })
}

const nameArgument = () => new Argument('<name>').argParser(parseName)

function parseName(text: string): string {
  if (!isContextName(text)) throw new InvalidArgumentError('A name has 1 to 64 letters, digits, dots, dashes and underscores.')
  return text
}
