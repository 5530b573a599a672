import type { ComponentChildren, Ref } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Polled } from './gateway.ts'

/** The parts that all pages are made of. */

interface CardProps {
  title: string
  children: ComponentChildren
  aside?: ComponentChildren
  /** For one that can take the focus. */
  section?: Ref<HTMLElement>
}

export function Card({ title, children, aside, section }: CardProps) {
  return (
    <section class="card" aria-label={title} ref={section ?? null} tabIndex={section === undefined ? undefined : -1}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

/** What was opened in a row of a table. It takes the focus, and gives it back when it closes. */
export function Opened({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const section = useRef<HTMLElement>(null)
  // Not `useEffect`, whose function of the end runs when the section has left the page, and the focus with it.
  useLayoutEffect(() => {
    const [own, opener] = [section.current, document.activeElement]
    own?.focus()
    return () => {
      // Another one that was opened in its place keeps the focus.
      if (opener instanceof HTMLElement && own?.contains(document.activeElement) === true) opener.focus()
    }
  }, [])
  const button = (
    <button type="button" onClick={close}>
      Close
    </button>
  )
  return (
    <Card title={title} aside={button} section={section}>
      {children}
    </Card>
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

/** The last column of a list: opens what a row is about. */
export function openColumn<Row>(keyOf: (row: Row) => string, open: (key: string) => void): Column<Row> {
  return {
    name: 'Actions',
    cell: (row) => (
      <span class="actions">
        <button type="button" aria-label={`Open ${keyOf(row)}`} onClick={() => open(keyOf(row))}>
          Open
        </button>
      </span>
    ),
  }
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

/** The first page of a list, which is loaded again and again. */
export function Listing<Row>(props: {
  label: string
  list: Polled<{ items: Row[]; next: string | null }>
  columns: Column<Row>[]
  keyOf: (row: Row) => string
  none: string
}) {
  const { label, list, columns, keyOf, none } = props
  return (
    <>
      <Failure error={list.error} />
      <Table label={label} columns={columns} rows={list.value?.items} keyOf={keyOf} none={none} />
      {list.value?.next != null && <p class="faint">There are more than are shown here.</p>}
    </>
  )
}

/** Leads from page to page of a list. @param props.go to the page after this position, or else to the first one */
export function Pages(props: { after: string | undefined; next: string | null | undefined; go: (after?: string) => void }) {
  const { after, next, go } = props
  if (after === undefined && next == null) return null
  return (
    <div class="row">
      {after !== undefined && (
        <button type="button" onClick={() => go()}>
          First page
        </button>
      )}
      {next != null && (
        <button type="button" onClick={() => go(next)}>
          Next page
        </button>
      )}
    </div>
  )
}

/** Facts about one thing, each with its name. */
export function Facts({ facts }: { facts: Array<{ name: string; value: ComponentChildren }> }) {
  return (
    <dl class="facts">
      {facts.map(({ name, value }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Positions in the log, which are cursors. */
export function Range({ from, to }: { from: string; to: string }) {
  return (
    <>
      after <code>{from}</code> up to <code>{to}</code>
    </>
  )
}

/** A form of one field. */
export function TextForm(props: {
  title: string
  label: string
  button: string
  submit: (text: string) => void
  initial?: string
  isOptional?: boolean
  /** Closes a form that was opened. */
  close?: () => void
  children?: ComponentChildren
}) {
  const { title, label, button, submit, initial = '', isOptional = false, close, children } = props
  const [text, setText] = useState(initial)
  const content = (
    <>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          submit(text.trim())
        }}
      >
        <Field label={label}>
          <input class="long" required={!isOptional} value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />
        </Field>
        <button class="first" type="submit">
          {button}
        </button>
      </form>
      {children}
    </>
  )
  if (close === undefined) return <Card title={title}>{content}</Card>
  return (
    <Opened title={title} close={close}>
      {content}
    </Opened>
  )
}

export function Failure({ error }: { error: string | undefined }) {
  return error === undefined ? null : (
    <p class="notice bad" role="alert">
      {error}
    </p>
  )
}

/** What the colours of a figure stand for. @param props.keys names, and classes of style.css */
export function Keys({ keys }: { keys: Array<{ name: string; colour: string }> }) {
  return (
    <figcaption>
      {keys.map(({ name, colour }) => (
        <span key={name}>
          <i class={`key ${colour}`} />
          {name}
        </span>
      ))}
    </figcaption>
  )
}

export type Tone = 'good' | 'bad' | 'neutral'

export interface BadgeProps {
  tone: Tone
  children?: ComponentChildren
}

export function Badge({ tone, children }: BadgeProps) {
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
