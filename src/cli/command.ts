import { ConfigError } from '../config/config.ts'
import { StartupError } from '../lib/startup-error.ts'

/** Exit codes of the process; 64 and 78 are EX_USAGE and EX_CONFIG of sysexits.h. */
export const exitCodes = { failure: 1, usage: 64, config: 78 } as const

/** The arguments are not those of the command. The usage is shown after the message. */
export class Misuse extends Error {
  override readonly name = 'Misuse'
}

/** Runs a command with the arguments of the process. An error is written to stderr and sets the exit code. */
export async function runCommand(init: {
  usage: string
  run(args: string[]): Promise<void>
  /** What to add to the message of an error. */
  hint?(error: Error): string
}): Promise<void> {
  const { usage, run, hint = () => '' } = init
  try {
    await run(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const parts = [`${error.message}${hint(error)}`, ...(error instanceof Misuse ? [usage] : [])]
    process.stderr.write(`${parts.filter((part) => part !== '').join('\n\n')}\n`)
    process.exitCode = exitCodeOf(error)
  }
}

function exitCodeOf(error: Error): number {
  if (error instanceof Misuse) return exitCodes.usage
  return error instanceof ConfigError || error instanceof StartupError ? exitCodes.config : exitCodes.failure
}
