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
 * A name given by a client. Invalid text is refused, not changed: PostgreSQL cannot store NUL, and control characters
 * break logs and pages.
 */
export function nameSchema(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .superRefine((text, context) => {
      const message = textProblem(text)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    .meta({ pattern: withoutControl })
}
