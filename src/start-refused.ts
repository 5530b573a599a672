import { mkdirSync } from 'node:fs'

/** The gateway can't start before an operator has mended something; the message says what. */
export class StartRefused extends Error {
  override readonly name: string = 'StartRefused'
}

/** Makes a directory that the variable has led to, and those above it. @throws StartRefused */
export function makeDirectory(path: string, variable: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StartRefused(`The directory ${path} can't be made (${reason}). ${variable} has led there.`, { cause })
  }
}
