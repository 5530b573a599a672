/** The first text, in the order of bytes, after all that begin with a prefix, which ends in a character of ASCII or is empty. */
export function afterPrefix(prefix: string): string {
  if (prefix === '') return '\u{10ffff}'
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}
