import { z } from 'zod'

/** Control characters: C0, DEL and C1. */
const control = /\p{Cc}/gu
/** The same for JSON Schema, in a form that generators of every language can read. */
const withoutControl = '^[^\\x00-\\x1f\\x7f-\\x9f]*$'

/**
 * Sanitizes text from a peer or service, such as an agent name or an error: valid Unicode without control characters,
 * at most `maxLength` UTF-16 units. Invalid characters become U+FFFD and the rest is cut, so that a bad text never
 * causes a refusal.
 */
export function foreignText(text: string, maxLength: number): string {
  // Cut first, since the text may be long. A surrogate pair that is cut in two is replaced as well.
  return text.slice(0, maxLength).toWellFormed().replace(control, '\ufffd')
}

/** `foreignText` as a schema. */
export function foreignTextSchema(maxLength: number) {
  return z.string().transform((text) => foreignText(text, maxLength))
}

/** The problem with a client's text; undefined when it is valid. */
export function textProblem(text: string): string | undefined {
  if (!text.isWellFormed()) return 'must be well-formed Unicode (it has a lone surrogate)'
  return text.search(control) === -1 ? undefined : 'must not contain control characters'
}

/**
 * The first characters of a text, counted as JSON Schema does: one outside the Basic Multilingual Plane is one, though
 * it has two UTF-16 units.
 */
export function firstCharacters(text: string, count: number): string {
  let end = 0
  for (let counted = 0; counted < count && end < text.length; counted++) end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  return text.slice(0, end)
}

/** Whether a text has more characters than allowed. */
export function isLonger(text: string, maxLength: number): boolean {
  if (text.length <= maxLength) return false
  return text.length > 2 * maxLength || firstCharacters(text, maxLength).length < text.length
}

/** A text of at most `maxLength` characters. */
export function textSchema(maxLength: number) {
  return z
    .string()
    .refine((text) => !isLonger(text, maxLength), `must have at most ${maxLength} character${maxLength === 1 ? '' : 's'}`)
    .meta({ maxLength })
}

/**
 * A name given by a client. Invalid text is refused, not changed: PostgreSQL cannot store NUL, and control characters
 * break logs and pages.
 */
export function nameSchema(maxLength: number) {
  return textSchema(maxLength)
    .superRefine((text, context) => {
      const message = textProblem(text)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    .meta({ pattern: withoutControl })
}
