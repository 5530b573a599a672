import type { DatabaseSync } from 'node:sqlite'
import { covers } from '../../model/topic-pattern.ts'

/** Adds `pattern_matches(pattern, topic)` to a connection: SQL has no comparison of levels. */
export function addFunctions(database: DatabaseSync): void {
  database.function('pattern_matches', { deterministic: true }, (pattern, topic) => (covers(String(pattern), String(topic)) ? 1 : 0))
}
