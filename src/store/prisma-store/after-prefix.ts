/** The first text, in the order of bytes, after all that begin with a prefix that ends in a space. */
export function afterPrefix(prefix: string): string {
  return `${prefix.slice(0, -1)}!`
}
