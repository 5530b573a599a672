import type { Command } from 'commander'
import { type Client, createClient, PeergateError } from '../../clients/typescript/src/index.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { exitCodes } from './exit-codes.ts'
import { CommandFailed } from './failures.ts'
import { contextOf } from './globals.ts'

/** Works with a client of the stream until the work ends, or the process is told to end. */
export async function withClient(command: Command, work: (client: Client, signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
  const { url, token } = await contextOf(command)
  const client = createClient({ url, ...omitUndefined({ token }) })
  client.watch((state) => {
    if (state.type === 'waiting' && state.failures === 1) process.stderr.write(`No connection: ${state.error.message}. Trying again.\n`)
  })
  try {
    await work(client, stopping.signal)
  } catch (error) {
    if (stopping.signal.aborted) return
    if (!(error instanceof PeergateError)) throw error
    throw new CommandFailed(`${error.message} (${error.code})`, refused.has(error.code) ? exitCodes.refused : exitCodes.failure, {
      cause: error,
    })
  } finally {
    client.close()
  }
}

const refused = new Set<string>(['unauthorized', 'invalid_token', 'forbidden'])
