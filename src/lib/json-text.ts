/**
 * JSON text that is embedded in JSON as it is: `JSON.parse` and `JSON.stringify` would change its numbers.
 */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  /** Takes part in `stringifyJson`. For `JSON.stringify` alone, such as that of a logger, it is the value. */
  toJSON(): unknown {
    if (embedded === undefined) return JSON.parse(this.text)
    embedded.push(this.text)
    return token
  }
}

/** Stands for a text. Random and never sent, so that no other string equals it. */
const token: string = crypto.randomUUID()
const quotedToken = JSON.stringify(token)

/** The texts of the current call of `stringifyJson`, in the order in which they are written. */
let embedded: string[] | undefined

/** `JSON.stringify`, with each `JsonText` as it is. */
export function stringifyJson(value: unknown): string {
  const texts: string[] = []
  embedded = texts
  try {
    const whole = JSON.stringify(value)
    if (texts.length === 0) return whole
    const [first = '', ...rest] = whole.split(quotedToken)
    return first + rest.map((part, index) => `${texts[index]}${part}`).join('')
  } finally {
    embedded = undefined
  }
}
