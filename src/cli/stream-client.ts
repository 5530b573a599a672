import type { Command } from 'commander'
import { type Client, createClient } from '../../clients/typescript/src/index.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { contextOf } from './globals.ts'
import { stopSignal } from './stop-signal.ts'

/** Works with a client of the stream until the work ends, or the process is told to end. */
export async function withClient(command: Command, work: (client: Client, signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopping = stopSignal()
  const { url, token } = await contextOf(command)
  const client = createClient({ url, ...omitUndefined({ token }) })
  client.watch((state) => {
    if (state.type === 'waiting' && state.failures === 1) process.stderr.write(`No connection: ${state.error.message}. Trying again.\n`)
  })
  try {
    await work(client, stopping)
  } catch (error) {
    if (!stopping.aborted) throw error
  } finally {
    client.close()
  }
}
