import { accessSync, constants } from 'node:fs'
import { makeDurableDirectory } from './durable-directory.ts'

/** The gateway can't start until an operator has fixed something; the message says what. */
export class StartupError extends Error {
  override readonly name: string = 'StartupError'
}

/** Disk space for a first start, for the operator to read: key, state and database take 0.6 MiB. */
export const roomToStart = 'free at least 1 MiB, plus space for messages'

/**
 * Creates the directory that the variable names, and its parents, and checks that it is accessible. @throws
 * StartupError
 */
export function makeDirectory(path: string, variable: string): void {
  try {
    makeDurableDirectory(path)
  } catch (cause) {
    throw new StartupError(`The directory ${path} can't be created (${reasonOf(cause)}). It is set by ${variable}.`, { cause })
  }
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new StartupError(
      `The directory ${path} is not accessible (${reasonOf(cause)}). Make the gateway's user its owner. It is set by ${variable}.`,
      { cause },
    )
  }
}

export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
