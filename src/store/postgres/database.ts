import pg from 'pg'
import type { Logger } from 'pino'
import { attemptAsync } from '../shared/unavailable.ts'
import { warnWhenNotDurable } from './durability.ts'
import { sessionFunctions } from './functions.ts'

/** Milliseconds until a database that does not answer counts as one that can't be used: connecting, and a statement. */
export const connectTimeoutMs = 5_000
export const queryTimeoutMs = 10_000
/** Connections for reading; the log's writer has one of its own, and so have listening and Prisma. */
const maxReaders = 6

/**
 * Seconds after which a connection is made anew: one that was made while the database took no writes (`default_transaction_read_only` of a
 * role or a database) goes on to take none.
 */
export const connectionSeconds = 60

/** A row: columns in the order of the query. Numbers of 64 bits come as numbers, bytes as Buffers. */
export type Row = unknown[]
export type Query = (sql: string, values?: unknown[]) => Promise<Row[]>

/** The ways to a database. Each query rejects with StoreUnavailable when the database can't be used. */
export interface PostgresDatabase {
  /** On any connection. */
  read: Query
  /** On the one connection that writes the log, one query after another, each a transaction of its own. */
  write: Query
  /** All of it or nothing, on a connection that reads otherwise. */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>
  /** Ends what is open; what is under way fails. */
  close(): Promise<void>
}

/**
 * What holds on every connection, whatever role, database or URL say: a commit is on the disk when it returns; who waits for a lock, or leaves a transaction idle, is ended,
 * so that nobody holds up the log; the server notices within half a minute when this machine is gone.
 *
 * Every statement here looks a bounded number of rows up by an index. Plans of a new or restored database, whose tables nobody has analysed,
 * and generic plans of prepared statements would read whole tables instead, so the plans that do so are switched off. What has to read all
 * of a table still can; `jit` is off because the planner prices that absurdly, which would have the statement compiled.
 */
export function connectionOptions(url: string): pg.ClientConfig {
  const settings = {
    synchronous_commit: 'on',
    lock_timeout: connectTimeoutMs,
    statement_timeout: queryTimeoutMs,
    idle_in_transaction_session_timeout: queryTimeoutMs,
    tcp_keepalives_idle: 10,
    tcp_keepalives_interval: 5,
    tcp_keepalives_count: 3,
    enable_seqscan: 'off',
    enable_bitmapscan: 'off',
    enable_hashjoin: 'off',
    enable_mergejoin: 'off',
    jit: 'off',
  }
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  const { base, options } = splitOptions(url)
  return {
    connectionString: base,
    application_name: 'peergate',
    // The last one counts.
    options: [...options, ...ours].join(' '),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    types: { getTypeParser: (type, format) => parsers.get(type) ?? pg.types.getTypeParser(type, format) },
  }
}

/** The driver would take the options of a URL in the place of ours. */
function splitOptions(url: string): { base: string; options: string[] } {
  if (!url.includes('options=')) return { base: url, options: [] }
  const base = new URL(url)
  const options = base.searchParams.getAll('options')
  base.searchParams.delete('options')
  return { base: base.href, options }
}

/** By the type's oid: int8, whose values here stay below 2^53, and numeric, the sum of such. */
const parsers = new Map<number, (text: string) => unknown>([
  [20, Number],
  [1700, Number],
])

export function openPostgresDatabase(url: string, components: { logger: Logger }): PostgresDatabase {
  const readers = new pg.Pool({ ...connectionOptions(url), max: maxReaders, maxLifetimeSeconds: connectionSeconds })
  const writer = new pg.Pool({
    ...connectionOptions(url),
    max: 1,
    idleTimeoutMillis: 0,
    // Awaited, whatever its type says: a connection on which they could not be made is ended, and what wanted it fails.
    async onConnect(client) {
      await client.query(sessionFunctions)
      await warnWhenNotDurable(client, components)
    },
  })
  // A connection that breaks while nobody uses it concerns nobody: the pool has removed it.
  for (const pool of [readers, writer]) pool.on('error', (err) => components.logger.debug({ err }, 'a connection to the database broke'))

  return {
    read: (sql, values = []) => attemptAsync(() => run(readers, sql, values)),
    write: (sql, values = []) => attemptAsync(() => run(writer, sql, values)),
    transaction: (work) =>
      attemptAsync(async () => {
        const client = await readers.connect()
        let failure: Error | undefined
        try {
          await client.query('BEGIN')
          const result = await work((sql, values = []) => run(client, sql, values))
          await client.query('COMMIT')
          return result
        } catch (error) {
          failure = error instanceof Error ? error : new Error(String(error))
          throw error
        } finally {
          // One that failed is closed, which rolls back.
          client.release(failure)
        }
      }),
    async close() {
      await Promise.all([readers.end(), writer.end()])
    },
  }
}

async function run(client: pg.Pool | pg.PoolClient, text: string, values: unknown[]): Promise<Row[]> {
  const { rows } = await client.query<Row>({ text, values, rowMode: 'array', name: nameOf(text) })
  return rows
}

/** A name for each statement, under which its connections keep it prepared. */
const names = new Map<string, string>()

function nameOf(text: string): string {
  let name = names.get(text)
  if (name === undefined) {
    name = `peergate ${names.size}`
    names.set(text, name)
  }
  return name
}
