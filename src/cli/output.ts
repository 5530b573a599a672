import { stripVTControlCharacters, styleText } from 'node:util'

/** What a command writes: tables and colours for people, plain lines where the output goes into a file or a pipe, JSON where it is asked for. */
export interface Output {
  readonly isJson: boolean
  /** Whether a person reads it. */
  readonly isTerminal: boolean
  /** A value as JSON on a line of its own. */
  json(value: unknown): void
  line(text: string): void
  /** Values on one line, with tabs in between where no person reads them. */
  row(values: readonly string[]): void
  /** Data of the API, as the bytes that it stands for, and for people with the end of the line. */
  data(value: { data?: unknown; encoding: string }): void
  /** Bytes as they are. */
  bytes(data: Uint8Array): void
  /** Of what goes on: on stderr, and for people only. */
  note(text: string): void
  /**
   * How far a long work is, on stderr, in place of what was said before: only where a person reads it and no output comes in
   * between. `end` ends the line.
   */
  progress(text: string): { end(): void }
  table<T>(rows: readonly T[], columns: Record<string, (row: T) => string | number | undefined>): void
  /** One thing as a table of its fields, without those that have no value. */
  fields(rows: readonly Field[]): void
}

export type Field = readonly [name: string, value: string | number | null | undefined]

type Stream = NodeJS.WritableStream & { isTTY?: boolean | undefined }

export function createOutput(streams: { stdout: Stream; stderr: Stream }, { isJson }: { isJson: boolean }): Output {
  const { stdout, stderr } = streams
  const isTerminal = stdout.isTTY === true
  const write = (text: string) => void stdout.write(text)
  const output: Output = {
    isJson,
    isTerminal,
    json: (value) => write(`${JSON.stringify(value)}\n`),
    line: (text) => write(`${isTerminal ? visible(text) : text}\n`),
    row: (values) => write(`${isTerminal ? values.map(visible).join('  ') : values.join('\t')}\n`),
    data({ data, encoding }) {
      if (encoding === 'base64' && typeof data === 'string') return void stdout.write(Buffer.from(data, 'base64'))
      const text = typeof data === 'string' && encoding !== 'json' ? data : JSON.stringify(data)
      write(isTerminal ? `${visible(text)}\n` : text)
    },
    bytes: (data) => void stdout.write(data),
    note(text) {
      if (stderr.isTTY === true && !isJson) stderr.write(`${text}\n`)
    },
    progress(text) {
      if (stderr.isTTY !== true || isTerminal) return { end() {} }
      stderr.write(`\r\u001b[K${text}`)
      return { end: () => void stderr.write('\n') }
    },
    table(rows, columns) {
      const titles = Object.keys(columns)
      const cells = rows.map((row) => titles.map((title) => visible(String(columns[title]?.(row) ?? ''))))
      if (!isTerminal) return write(cells.map((row) => `${row.join('\t')}\n`).join(''))
      const widths = titles.map((title, index) => Math.max(title.length, ...cells.map((row) => row[index]?.length ?? 0)))
      const lineOf = (row: string[]) =>
        row
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join('  ')
          .trimEnd()
      write([styleText('bold', lineOf(titles), { stream: stdout }), ...cells.map(lineOf)].map((line) => `${line}\n`).join(''))
    },
    fields(rows) {
      const given = rows.filter(([, value]) => value !== undefined && value !== null && value !== '')
      output.table(given, { NAME: ([name]) => name, VALUE: ([, value]) => value ?? '' })
    },
  }
  return output
}

/** Text of others as it is shown to people: on one line, and without what a terminal would take for a command. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
  return stripVTControlCharacters(text).replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[\u007f-\u009f\u2028-\u202e\u2066-\u2069]$/, codeOf),
  )
}

const codeOf = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
