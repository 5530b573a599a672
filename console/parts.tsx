import type { ComponentChildren } from 'preact'

/** The parts that all pages are made of. */

export function Card({ title, children, aside }: { title: string; children: ComponentChildren; aside?: ComponentChildren }) {
  return (
    <section class="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

export function Figure({ label, value, note }: { label: string; value: string; note?: string | undefined }) {
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd>
        <strong>{value}</strong>
        {note !== undefined && <span class="faint">{note}</span>}
      </dd>
    </div>
  )
}

export interface Column<Row> {
  name: string
  cell: (row: Row) => ComponentChildren
  number?: boolean
}

export function Table<Row>(props: {
  label: string
  columns: Column<Row>[]
  rows: Row[] | undefined
  keyOf: (row: Row) => string
  none: string
}) {
  const { label, columns, rows, keyOf, none } = props
  if (rows === undefined) return <p class="faint">Loading…</p>
  if (rows.length === 0) return <p class="faint">{none}</p>
  return (
    // Wide tables scroll by themselves, with the keyboard too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard (WCAG 2.1.1)
    <section class="scroll" tabIndex={0} aria-label={`${label}, as a table`}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, number }) => (
              <th key={name} scope="col" class={number === true ? 'number' : ''}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ name, cell, number }) => (
                <td key={name} class={number === true ? 'number' : ''}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

export function Failure({ error }: { error: string | undefined }) {
  return error === undefined ? null : (
    <p class="notice bad" role="alert">
      {error}
    </p>
  )
}

export type Tone = 'good' | 'bad' | 'neutral'

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>
}

export function Field({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child
    <label class="field">
      <span>{label}</span>
      {children}
    </label>
  )
}
