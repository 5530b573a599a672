/**
 * The first text, in byte order, after all texts that start with the prefix, which is empty or ends in an ASCII
 * character.
 */
export function afterPrefix(prefix: string): string {
  if (prefix === '') return '\u{10ffff}'
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}
