/** A part of a statement, as text between values. */
export interface Sql {
  readonly texts: readonly string[]
  readonly values: readonly SqlValue[]
}
export type SqlValue = string | number | null

/** A statement of values, and of other parts. */
export function sql(strings: TemplateStringsArray, ...values: Array<SqlValue | Sql>): Sql {
  const texts = [strings[0] ?? '']
  const flat: SqlValue[] = []
  const extend = (text: string) => texts.push(`${texts.pop() ?? ''}${text}`)
  for (const [index, value] of values.entries()) {
    const after = strings[index + 1] ?? ''
    if (typeof value === 'object' && value !== null) {
      extend(value.texts[0] ?? '')
      texts.push(...value.texts.slice(1))
      flat.push(...value.values)
      extend(after)
    } else {
      flat.push(value)
      texts.push(after)
    }
  }
  return { texts, values: flat }
}

export type SqlRow = readonly unknown[]

/** Statements one after another, each answered with its rows. */
export type Steps<Result> = Generator<Sql, Result, SqlRow[]>
