/** Levels of arrays and objects in what a client sends: far beyond what any schema allows. */
const maxLevels = 200
/** Characters of a text that is parsed in a fraction of a millisecond, whatever it is. */
const shortLength = 1_024

/**
 * Whether the arrays and objects of a JSON text nest too deeply to be worth parsing. `JSON.parse` takes a hundred times as
 * long for a megabyte of brackets as for other text of that length. The scan ends where the text is too deep.
 */
export function isTooDeep(text: string): boolean {
  if (text.length <= shortLength) return false
  let levels = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) at = endOfString(text, at)
    else if (code === 0x5b || code === 0x7b) levels++
    else if (code === 0x5d || code === 0x7d) levels--
    if (levels > maxLevels) return true
  }
  return false
}

/** The position of the quote that ends the string, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return at
  }
  return text.length
}
