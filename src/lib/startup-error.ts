import { accessSync, constants } from 'node:fs'
import { makeDurableDirectory } from './durable-directory.ts'

/** The gateway can't start before an operator has mended something; the message says what. */
export class StartupError extends Error {
  override readonly name: string = 'StartupError'
}

/** What a first start needs on the disk, for an operator to read: key, state and database are 0.6 MiB. */
export const roomToStart = 'free 1 MiB at least, and room for messages'

/** Makes a directory that the variable has led to, and those above it, and sees that it can be written to. @throws StartupError */
export function makeDirectory(path: string, variable: string): void {
  try {
    makeDurableDirectory(path)
  } catch (cause) {
    throw new StartupError(`The directory ${path} can't be made (${reasonOf(cause)}). ${variable} has led there.`, { cause })
  }
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new StartupError(
      `The directory ${path} can't be written to (${reasonOf(cause)}). Give it to the user that the gateway runs as; ${variable} has led there.`,
      { cause },
    )
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
