import { z } from 'zod'

/** Control characters: C0, DEL and C1. */
const control = /\p{Cc}/gu

/**
 * Text that others say, such as a peer's agent or a service's error, as it is kept and shown: valid Unicode without control characters, at
 * most so many UTF-16 units. What does not fit is replaced by U+FFFD, or cut: nothing else of a peer is refused for its words.
 */
export function foreignText(text: string, maxLength: number): string {
  // Cut first: the rest may be long. A pair of surrogates that is cut in two is replaced as well.
  return text.slice(0, maxLength).toWellFormed().replace(control, '\ufffd')
}

/** The same as a schema. */
export function foreignTextSchema(maxLength: number) {
  return z.string().transform((text) => foreignText(text, maxLength))
}

/** Why a client's text can't be kept, or undefined when it can. */
export function textProblem(text: string): string | undefined {
  if (!text.isWellFormed()) return 'must be well-formed Unicode (it has a lone surrogate)'
  return text.search(control) === -1 ? undefined : 'must not contain control characters'
}

/** Text by which clients name things: refused rather than changed. PostgreSQL keeps no NUL, and logs and pages would break at others. */
export function nameSchema(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .superRefine((text, context) => {
      const message = textProblem(text)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
}
