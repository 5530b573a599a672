import type pg from 'pg'
import type { Logger } from 'pino'

/** Server settings without which a commit may not survive a power loss. Our sessions can't change them. */
const neededSettings = ['fsync', 'full_page_writes']

const read = `SELECT "name" FROM pg_catalog.pg_settings WHERE "name" = ANY ($1) AND "setting" = 'off' ORDER BY 1`

/**
 * Warns in the log when the server does not provide the durability promised here. An operator may want that for
 * expendable data.
 */
export async function warnWhenNotDurable(client: pg.ClientBase, components: { logger: Logger }): Promise<void> {
  const { rows } = await client.query<{ name: string }>(read, [neededSettings])
  if (rows.length === 0) return
  const settings = rows.map(({ name }) => `${name}=off`).join(' and ')
  components.logger.warn(
    { settings },
    `PostgreSQL runs with ${settings}: if its machine fails, acknowledged messages may be lost or the database damaged. Set ${rows.map(({ name }) => `${name}=on`).join(' and ')}.`,
  )
}
