import { maxJsonDepth, maxJsonKeyLength, maxJsonNumberLength } from './json-value.ts'

const braceEnd = 0x7d
const bracketStart = 0x5b
const braceStart = 0x7b
const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const space = 0x20

/** An escape; a half of a surrogate pair only together with the other. */
const escaped =
  /\\(?:["\\/bfnrt]|u(?:[\da-cefA-CEF][\da-fA-F]{3}|[dD][0-7][\da-fA-F]{2}|[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}))/y
const literal = /true|false|null/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/**
 * Whether a well-formed text is JSON (RFC 8259) without what `jsonProblem` finds. The cost depends on the length alone.
 * That of `JSON.parse` depends on the values: a mebibyte of distinct keys takes it ten times as long.
 */
export function isJsonText(text: string): boolean {
  /** The ends of the open arrays and objects, outermost first. */
  const ends: number[] = []
  let at = afterSpace(text, 0)
  // Each turn begins at a value. A position of -1 is that of an error.
  while (at !== -1) {
    const first = text.charCodeAt(at)
    if (first === bracketStart || first === braceStart) {
      if (ends.length === maxJsonDepth) return false
      const end = first + 2
      ends.push(end)
      at = afterSpace(text, at + 1)
      if (text.charCodeAt(at) !== end) {
        if (end === braceEnd) at = afterKey(text, at)
        continue
      }
    } else {
      at = afterScalar(text, at)
      if (at === -1) return false
      at = afterSpace(text, at)
    }
    while (ends.length > 0 && text.charCodeAt(at) === ends.at(-1)) {
      ends.pop()
      at = afterSpace(text, at + 1)
    }
    if (ends.length === 0) return at === text.length
    if (text.charCodeAt(at) !== comma) return false
    at = afterSpace(text, at + 1)
    if (ends.at(-1) === braceEnd) at = afterKey(text, at)
  }
  return false
}

function afterSpace(text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === space || code === 0x0a || code === 0x0d || code === 0x09; code = text.charCodeAt(at)) at++
  return at
}

/** The position of the value after a key, or -1. */
function afterKey(text: string, from: number): number {
  const end = afterString(text, from)
  // Between two quotes; an escape counts as it is written.
  if (end === -1 || end - from - 2 > maxJsonKeyLength) return -1
  const at = afterSpace(text, end)
  return text.charCodeAt(at) === colon ? afterSpace(text, at + 1) : -1
}

/** The position after a string, a number or a literal, or -1. */
function afterScalar(text: string, from: number): number {
  if (text.charCodeAt(from) === quote) return afterString(text, from)
  const end = afterMatch(number, text, from)
  if (end === -1) return afterMatch(literal, text, from)
  return end - from <= maxJsonNumberLength && Number.isFinite(Number(text.slice(from, end))) ? end : -1
}

function afterString(text: string, from: number): number {
  if (text.charCodeAt(from) !== quote) return -1
  let at = from + 1
  while (at !== -1 && at < text.length) {
    const code = text.charCodeAt(at)
    if (code === quote) return at + 1
    if (code < space) return -1
    at = code === backslash ? afterMatch(escaped, text, at) : at + 1
  }
  return -1
}

/** @param pattern a sticky one */
function afterMatch(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : -1
}
