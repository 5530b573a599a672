import type { SQLInputValue } from 'node:sqlite'
import type { TopicFilter } from '../../model/topic.ts'

/** An SQL condition and its values. */
export interface Condition {
  sql: string
  values: SQLInputValue[]
}

/**
 * Lists are passed as JSON, so that one prepared statement serves filters of any length; topics are compared literally.
 * No prefix matches direct messages (`directTopic`). Without prefixes, an index finds the names.
 */
export function topicCondition(column: string, { exact, prefixes }: TopicFilter): Condition {
  if (prefixes.length === 0) return { sql: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(exact)] }
  return {
    sql: `(${column} IN (SELECT value FROM json_each(?)) OR ${column} <> '' AND EXISTS (SELECT 1 FROM json_each(?) WHERE substr(${column}, 1, length(value)) = value))`,
    values: [JSON.stringify(exact), JSON.stringify(prefixes)],
  }
}
