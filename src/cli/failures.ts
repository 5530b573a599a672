import { CommanderError } from 'commander'
import { PeergateError } from '../../clients/typescript/src/errors.ts'
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

/** What is written of an error. */
export function wordsOf(error: Error): string {
  if (!(error instanceof PeergateError)) return error.message
  return [`${error.message} (${error.code})`, ...error.errors.map(({ path, message }) => `  ${path}: ${message}`)].join('\n')
}

export function exitCodeOf(error: Error): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
  if (error instanceof Misuse) return exitCodes.usage
  if (error instanceof CommandFailed) return error.exitCode
  if (error instanceof PeergateError) return exitCodeOfRefusal(error)
  return error instanceof ConfigError || error instanceof StartupError ? exitCodes.config : exitCodes.failure
}

const rights = new Set(['unauthorized', 'invalid_token', 'forbidden'])

function exitCodeOfRefusal({ code, status, retryable }: PeergateError): number {
  if (code === 'connection_lost') return exitCodes.unavailable
  if (status === 401 || status === 403 || rights.has(code)) return exitCodes.refused
  return retryable ? exitCodes.busy : exitCodes.failure
}
