import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { messagePrinter } from '../../src/cli/message-text.ts'
import { createOutput, visible } from '../../src/cli/output.ts'

/** What a command has written, on a terminal or not. */
async function written(isTTY: boolean, use: (output: ReturnType<typeof createOutput>) => void, isJson = false): Promise<string> {
  const stdout = Object.assign(new PassThrough(), { isTTY })
  use(createOutput({ stdout, stderr: stdout }, { isJson }))
  stdout.end()
  return await text(stdout)
}

const message = {
  cursor: 'k3v9q2.7',
  id: '12D3KooWauthor.1',
  topic: 'orders',
  from: '12D3KooWauthor',
  data: 'two\nlines',
  encoding: 'utf8',
  receivedAt: '2026-11-29T10:00:00.123Z',
}

test.each([
  ['\u001b[2J\u001b[31mred', 'red'],
  ['a\nb\tc', 'a\\nb\\tc'],
  ['\u0007\u009b', '\\u0007\\u009b'],
  ['right\u202eleft', 'right\\u202eleft'],
  ['grüße 👋', 'grüße 👋'],
])('text of others does nothing to a terminal: %j', (given, shown) => {
  expect(visible(given)).toBe(shown)
})

test('a table has titles and columns for people, and lines with tabs for programs', async () => {
  const rows = [
    { name: 'a', count: 10 },
    { name: 'longer', count: 2 },
  ]
  const print = (output: ReturnType<typeof createOutput>) => output.table(rows, { NAME: ({ name }) => name, COUNT: ({ count }) => count })
  expect(await written(false, print)).toBe('a\t10\nlonger\t2\n')
  expect(stripVTControlCharacters(await written(true, print))).toBe('NAME    COUNT\na       10\nlonger  2\n')
})

test('values on a line have blanks in between for people, and tabs for programs', async () => {
  const print = (output: ReturnType<typeof createOutput>) => output.row(['k3v9q2.7', 'two\nlines'])
  expect(await written(false, print)).toBe('k3v9q2.7\ttwo\nlines\n')
  expect(await written(true, print)).toBe('k3v9q2.7  two\\nlines\n')
})

test('a message is a line, whatever is in it', async () => {
  expect(await written(false, (output) => messagePrinter(output, undefined)(message))).toBe(
    '2026-11-29T10:00:00.123Z\torders\t12D3KooWauthor\t"two\\nlines"\n',
  )
  expect(await written(true, (output) => messagePrinter(output, undefined)(message))).toBe('10:00:00.123  orders  …author  two\\nlines\n')
  expect(JSON.parse(await written(false, (output) => messagePrinter(output, undefined)(message), true))).toEqual(message)
})

test('a template has the fields of a message, and no others', async () => {
  expect(await written(false, (output) => messagePrinter(output, '{topic}: {data}{unknown')(message))).toBe('orders: two\nlines{unknown\n')
  await expect(written(false, (output) => messagePrinter(output, '{secret}')(message))).rejects.toThrow(/not \{secret\}/)
})

test('progress is one line on stderr, and leaves the terminal alone where the output is shown there too, or nobody reads it', async () => {
  async function said(isTTY: { stdout: boolean; stderr: boolean }): Promise<string> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const output = createOutput(
      { stdout: Object.assign(stdout, { isTTY: isTTY.stdout }), stderr: Object.assign(stderr, { isTTY: isTTY.stderr }) },
      { isJson: false },
    )
    output.progress('1 published')
    output.progress('2 published').end()
    stderr.end()
    return await text(stderr)
  }
  expect(await said({ stdout: false, stderr: true })).toBe('\r\u001b[K1 published\r\u001b[K2 published\n')
  expect(await said({ stdout: true, stderr: true })).toBe('')
  expect(await said({ stdout: false, stderr: false })).toBe('')
})
