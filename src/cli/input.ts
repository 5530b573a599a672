import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { stdin } from 'node:process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

/** What is sent: bytes of a file, of the standard input, or the argument itself. */
export interface Input {
  /** The text on the command line; `-` or nothing is the standard input. */
  data: string | undefined
  file: string | undefined
}

export async function readInput({ data, file }: Input): Promise<Uint8Array> {
  if (file === undefined && data !== undefined && data !== '-') return Buffer.from(data)
  return await buffer(open(file))
}

/** Lines without their ends; the last one also without one. */
export function readLines(file: string | undefined): AsyncIterable<string> {
  return createInterface({ input: open(file), crlfDelay: Number.POSITIVE_INFINITY })
}

function open(file: string | undefined): Readable {
  return file === undefined ? stdin : createReadStream(file)
}

/** Data as the API takes it. */
export interface Payload {
  data: unknown
  encoding: 'utf8' | 'base64' | 'json'
}

/** Text as text, anything else in base64: bytes arrive as they are. */
export function payloadOf(bytes: Uint8Array): Payload {
  const data = Buffer.from(bytes)
  return isUtf8(data) ? { data: data.toString(), encoding: 'utf8' } : { data: data.toString('base64'), encoding: 'base64' }
}
