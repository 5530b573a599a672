import type { Command } from 'commander'
import { chosenContext } from './contexts.ts'
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

/** The gateway that a command is for, and where the command writes. */
export async function connect(command: Command): Promise<{ remote: Remote; output: Output }> {
  const { url, token, context } = command.optsWithGlobals<GlobalOptions>()
  const flags = {
    ...(url === undefined ? {} : { url }),
    ...(token === undefined ? {} : { token }),
    ...(context === undefined ? {} : { context }),
  }
  const output = outputOf(command)
  const say = (text: string) => void process.stderr.write(`${text}\n`)
  return { remote: createRemote(await chosenContext(flags, process.env), say), output }
}
