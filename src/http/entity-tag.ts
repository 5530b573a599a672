/** If-None-Match, by weak comparison (RFC 9110 §13.1.2). */
export function matchesTag(condition: unknown, etag: string): boolean {
  if (typeof condition !== 'string') return false
  return condition.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
