import pg from 'pg'
import type { Logger } from 'pino'
import { attemptAsync } from '../shared/unavailable.ts'
import { warnWhenNotDurable } from './durability.ts'
import { sessionFunctions } from './functions.ts'

/**
 * Timeouts in milliseconds, after which an unresponsive database counts as unavailable: for connecting, and for a
 * statement.
 */
export const connectTimeoutMs = 5_000
export const queryTimeoutMs = 10_000
/** Maximum connections for reading. The log's writer, listening and Prisma have their own. */
const maxReaders = 6

/**
 * Maximum age of a connection, in seconds. A connection that was made while the database was read-only
 * (`default_transaction_read_only` of a role or a database) stays read-only.
 */
export const connectionSeconds = 60

/** A row: columns in the order of the query. 64-bit integers are numbers, bytes are Buffers. */
export type Row = unknown[]
export type Query = (sql: string, values?: unknown[]) => Promise<Row[]>

/** The connections to a database. Each query rejects with StoreUnavailable when the database can't be used. */
export interface PostgresDatabase {
  /** Runs on any reading connection. */
  read: Query
  /** Runs on the one connection that writes the log; queries run one after another, each in its own transaction. */
  write: Query
  /** Runs `work` atomically, on a reading connection. */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>
  /** Closes all connections; running queries fail. */
  close(): Promise<void>
}

/**
 * Settings of every connection, which override those of role, database and URL. A commit is on disk when it returns. A
 * session that waits for a lock, or leaves a transaction idle, is ended, so that it cannot block the log. The server
 * notices within half a minute when this machine is gone.
 *
 * Every statement here looks up a bounded number of rows by an index. Plans for a new or restored database, whose
 * tables have not been analysed, and generic plans of prepared statements would read whole tables instead, so the plan
 * types that do so are disabled. A statement that has to read a whole table still can. `jit` is off because the planner
 * then estimates such a high cost that it would compile the statement.
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
    // The last value of a setting counts.
    options: [...options, ...ours].join(' '),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    types: { getTypeParser: (type, format) => parsers.get(type) ?? pg.types.getTypeParser(type, format) },
  }
}

/** Separates the URL's options from the URL: the driver would let them replace ours. */
function splitOptions(url: string): { base: string; options: string[] } {
  if (!url.includes('options=')) return { base: url, options: [] }
  const base = new URL(url)
  const options = base.searchParams.getAll('options')
  base.searchParams.delete('options')
  return { base: base.href, options }
}

/** Parsers by type oid: int8, whose values here stay below 2^53, and numeric, the type of their sums. */
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
    // Awaited by the pool, although its type does not say so: if the functions can't be created, the connection is
    // closed and the query that needed it fails.
    async onConnect(client) {
      await client.query(sessionFunctions)
      await warnWhenNotDurable(client, components)
    },
  })
  // A connection that breaks between two queries affects none. Without a listener for its whole life it would end the
  // process: the pool listens only while it is idle, and not while a transaction holds it.
  const onBroken = (err: Error) => components.logger.debug({ err }, 'a connection to the database broke')
  for (const pool of [readers, writer]) {
    pool.on('error', onBroken)
    pool.on('connect', (client) => client.on('error', onBroken))
  }

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
          // A failed connection is closed, which rolls back.
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

/** Names of prepared statements, by text. */
const names = new Map<string, string>()

function nameOf(text: string): string {
  let name = names.get(text)
  if (name === undefined) {
    name = `peergate ${names.size}`
    names.set(text, name)
  }
  return name
}
