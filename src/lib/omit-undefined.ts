type OmitUndefined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

/** A copy without its undefined fields. */
export function omitUndefined<Fields extends object>(fields: Fields): OmitUndefined<Fields>
export function omitUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
