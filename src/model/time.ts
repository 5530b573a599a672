import { z } from 'zod'

/**
 * A time that a client sends, as in RFC 3339, which is what `format: date-time` of JSON Schema means. The output is in
 * the one notation that `Date.parse` takes.
 */
export const timeSchema = z.preprocess(
  inOneNotation,
  z.iso.datetime({ offset: true, error: 'must be a time as in RFC 3339, like 2026-11-23T12:00:00Z' }).max(64),
)

/** Lower-case letters mean the same (§5.6). A leap second (§5.7) is taken as the millisecond before, as Date has none. */
function inOneNotation(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const text = value.replaceAll('t', 'T').replaceAll('z', 'Z')
  const withoutLeap = text.replace(/:60(\.\d+)?(?=Z$|[+-]\d\d:\d\d$)/, ':59.999')
  return withoutLeap === text || isEndOfDay(withoutLeap) ? withoutLeap : text
}

/** Leap seconds end a day in UTC. */
function isEndOfDay(text: string): boolean {
  const at = Date.parse(text)
  return !Number.isNaN(at) && new Date(at).toISOString().slice(11, 16) === '23:59'
}
