import type { Command } from 'commander'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { type Context, chosenContext } from './contexts.ts'
import { createOutput, type Output } from './output.ts'
import { createRemote, type Remote } from './remote.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  url?: string
  token?: string
  context?: string
  json?: boolean
}

export function outputOf(command: Command): Output {
  const { json = false } = command.optsWithGlobals<GlobalOptions>()
  return createOutput(process, { isJson: json })
}

/** The gateway that a command is for. */
export async function contextOf(command: Command): Promise<Context> {
  const { url, token, context } = command.optsWithGlobals<GlobalOptions>()
  return await chosenContext(omitUndefined({ url, token, context }), process.env)
}

/** The API of the gateway that a command is for, and where the command writes. */
export async function connect(command: Command): Promise<{ remote: Remote; output: Output }> {
  const say = (text: string) => void process.stderr.write(`${text}\n`)
  return { remote: createRemote(await contextOf(command), say), output: outputOf(command) }
}
