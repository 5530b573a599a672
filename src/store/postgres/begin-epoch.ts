import pg from 'pg'
import { drawEpoch } from '../shared/epoch.ts'
import { connectionOptions } from './database.ts'

export async function beginPostgresEpoch(url: string): Promise<string> {
  const epoch = drawEpoch()
  const client = new pg.Client(connectionOptions(url))
  // A connection that breaks fails its query, or the next one.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('UPDATE "Log" SET "epoch" = $1 WHERE "id" = 1', [epoch])
  } finally {
    await client.end()
  }
  return epoch
}
