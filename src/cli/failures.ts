import { CommanderError } from 'commander'
import { ConfigError } from '../config/config.ts'
import { StartupError } from '../lib/startup-error.ts'
import { exitCodes } from './exit-codes.ts'

/** The arguments are not those of the command. */
export class Misuse extends Error {
  override readonly name = 'Misuse'
}

/** An error of a command that has an exit code of its own. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode: number

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

export function exitCodeOf(error: Error): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
  if (error instanceof Misuse) return exitCodes.usage
  if (error instanceof CommandFailed) return error.exitCode
  return error instanceof ConfigError || error instanceof StartupError ? exitCodes.config : exitCodes.failure
}
