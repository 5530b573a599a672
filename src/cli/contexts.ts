import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { exitCodes } from './exit-codes.ts'
import { CommandFailed } from './failures.ts'

/** Named gateways of a user: where they are, and the token for them. The file is readable for its owner only. */

const contextSchema = z.strictObject({ url: z.url({ protocol: /^https?$/ }), token: z.string().optional() })
const contextsSchema = z.strictObject({ current: z.string().optional(), contexts: z.record(z.string(), contextSchema) })

export type Context = z.infer<typeof contextSchema>
export type Contexts = z.infer<typeof contextsSchema>

/** A name that no shell and no flag mistakes for something else. */
export const isContextName = (name: string) => /^\w[\w.-]{0,63}$/.test(name)

function fileOf(env: NodeJS.ProcessEnv): string {
  const home = env['XDG_CONFIG_HOME']
  return join(home === undefined || home === '' ? join(homedir(), '.config') : home, 'peergate', 'contexts.json')
}

/** @throws CommandFailed when the file is not one of contexts */
export async function readContexts(env: NodeJS.ProcessEnv): Promise<Contexts> {
  const file = fileOf(env)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{"contexts":{}}'
    throw error
  })
  try {
    return contextsSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CommandFailed(`${file} is not a file of contexts: mend or remove it.`, exitCodes.config, { cause })
  }
}

/** Writes a new file and puts it in the place of the old one, so that there is always a whole one. */
export async function writeContexts(env: NodeJS.ProcessEnv, contexts: Contexts): Promise<void> {
  const file = fileOf(env)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(contexts, undefined, 2)}\n`, { mode: 0o600 })
  await rename(draft, file)
}

/** Where a command goes: what its flags say, else the environment, else the context, else a gateway on this machine. */
export async function chosenContext(flags: { url?: string; token?: string; context?: string }, env: NodeJS.ProcessEnv): Promise<Context> {
  const fromEnv = { url: env['PEERGATE_URL'], token: env['PEERGATE_TOKEN'] }
  const { current, contexts } = await readContexts(env)
  const name = flags.context ?? current
  const context = name === undefined ? undefined : contexts[name]
  if (flags.context !== undefined && context === undefined) {
    throw new CommandFailed(
      `There is no context "${flags.context}"; \`peergate context list\` shows those that there are.`,
      exitCodes.usage,
    )
  }
  const url = flags.url ?? (flags.context === undefined ? fromEnv.url : undefined) ?? context?.url ?? 'http://127.0.0.1:7070'
  // The token of a context is for its own gateway: it is not sent elsewhere.
  const own = context?.url === url ? context.token : undefined
  const token = flags.token ?? (flags.context === undefined ? fromEnv.token : undefined) ?? own
  return { url, ...(token === undefined ? {} : { token }) }
}
