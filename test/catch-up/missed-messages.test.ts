import { expect, test } from 'vitest'
import { createMissedMessages } from '../../src/catch-up/missed-messages.ts'

/** Missed messages, and those that are given up. */
function missing() {
  const given: string[] = []
  const order = { missed: (ids: readonly string[], by: string) => void given.push(...ids.map((id) => `${id} of ${by}`)) }
  return { given, ...createMissedMessages({ order }) }
}

test('what a peer has not sent is given up once its log was read, and what comes up meanwhile with the next reading', () => {
  const { given, note, reading } = missing()
  note('one', ['a.1', 'a.2'])
  note('other', ['a.2'])
  {
    using _ = reading('one')
    note('one', ['a.3'])
    expect(given).toEqual([])
  }
  expect(given).toEqual(['a.1 of one', 'a.2 of one'])
  reading('one')[Symbol.dispose]()
  expect(given.slice(2)).toEqual(['a.3 of one'])
})

test('what its log lists is not given up, and the rest at once when the log has been looked through', () => {
  const { given, note, reading } = missing()
  note('one', ['a.1', 'a.2', 'a.3'])
  using log = reading('one')
  log.listed(['a.1'], false)
  expect(given).toEqual([])
  log.listed(['a.2'], true)
  expect(given).toEqual(['a.3 of one'])
  log[Symbol.dispose]()
  expect(given).toHaveLength(1)
})

test('what a peer has not sent whose log is not read is given up at once, and beyond 5,000 messages of one peer too', () => {
  const { given, note, gone } = missing()
  note('one', ['a.1'])
  gone('one')
  expect(given).toEqual(['a.1 of one'])
  note(
    'one',
    Array.from({ length: 5_000 }, (_, number) => `b.${number}`),
  )
  expect(given).toHaveLength(1)
  note('one', ['c.1', 'c.2'])
  expect(given.slice(1)).toEqual(['c.1 of one', 'c.2 of one'])
})
