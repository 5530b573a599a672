/**
 * Maximum depth of arrays and objects in a JSON value. The lowest default of common parsers is 64 (System.Text.Json),
 * with the levels of the frame or page around the value.
 */
export const maxJsonDepth = 50

/** Maximum characters of a number and of a key, as written: Jackson's defaults, the lowest of common parsers. */
export const maxJsonNumberLength = 1_000
export const maxJsonKeyLength = 50_000

/**
 * What keeps a value from being JSON that every common parser reads; undefined when nothing does. A number that was
 * too large for a double is infinite here. The recursion ends at `maxJsonDepth`.
 */
export function jsonProblem(value: unknown, depth = 0): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined
  if (typeof value === 'string') return value.isWellFormed() ? undefined : 'has a lone surrogate'
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'has a number that is too large'
  if (typeof value !== 'object' || ArrayBuffer.isView(value)) return 'is not a JSON value'
  if (depth === maxJsonDepth) return `has more than ${maxJsonDepth} levels of arrays and objects`
  if (Array.isArray(value)) return firstProblem(value, depth + 1)
  const keys = Object.keys(value)
  if (keys.some(({ length }) => length > maxJsonKeyLength)) return `has a key of more than ${maxJsonKeyLength} characters`
  return firstProblem(keys, depth + 1) ?? firstProblem(Object.values(value), depth + 1)
}

function firstProblem(values: unknown[], depth: number): string | undefined {
  for (const value of values) {
    const problem = jsonProblem(value, depth)
    if (problem !== undefined) return problem
  }
  return undefined
}
