import type pg from 'pg'
import type { Logger } from 'pino'

/** Settings of the server without which a commit may not survive a loss of power. Sessions of ours can't change them. */
const neededSettings = ['fsync', 'full_page_writes']

const read = `SELECT "name" FROM pg_catalog.pg_settings WHERE "name" = ANY ($1) AND "setting" = 'off' ORDER BY 1`

/** Says in the log when the server does not keep what is promised here. An operator may want that, for data that may be lost. */
export async function warnWhenNotDurable(client: pg.ClientBase, components: { logger: Logger }): Promise<void> {
  const { rows } = await client.query<{ name: string }>(read, [neededSettings])
  if (rows.length === 0) return
  const settings = rows.map(({ name }) => `${name}=off`).join(' and ')
  components.logger.warn(
    { settings },
    `PostgreSQL runs with ${settings}: when its machine fails, messages that were acknowledged may be lost, or the database be damaged. Set ${rows.map(({ name }) => `${name}=on`).join(' and ')}.`,
  )
}
