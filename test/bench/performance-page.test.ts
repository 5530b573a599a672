import { expect, test } from 'vitest'
import { performancePage } from '../../bench/performance-page.ts'
import type { BenchRow } from '../../bench/result.ts'

const machine = {
  command: 'npm run bench -- --report --quick road',
  at: '2030-01-02T03:04:05.678Z',
  commit: 'abcdef12',
  processors: 2,
  model: 'a model',
  load: 0.1,
  memoryGiB: 7.75,
  system: 'Linux 6',
  node: 'v24',
  fsyncMs: { p50: 0.5, p99: 2 },
}

/** The lines of a page of these rows. */
function page(...rows: BenchRow[]): string[] {
  return performancePage(machine, [{ name: 'a benchmark', rows, notes: ['a note'] }]).split('\n')
}

/** The rows of the table below a heading. */
function tableOf(lines: string[], heading: string): string[] {
  const from = lines.indexOf(`## ${heading}`)
  if (from < 0) return []
  const next = lines.findIndex((line, index) => index > from && line.startsWith('## '))
  return lines.slice(from, next < 0 ? lines.length : next).filter((line) => line.startsWith('|') && !line.startsWith('| ---'))
}

test('is of one run, at a time, on a machine', () => {
  const text = page().join('\n')
  for (const part of ['one run', '2030-01-02', 'abcdef12', '2 × a model', 'npm run bench -- --report --quick road', '0.5 ms'])
    expect(text).toContain(part)
})

test('says whether the machine was busy, and whether the run was a quick one', () => {
  const text = (change: Partial<typeof machine>) => performancePage({ ...machine, command: 'npm run bench', ...change }, [])
  expect(text({})).not.toContain('**')
  expect(text({ load: 3 })).toContain('did other work')
  expect(text({ command: 'npm run bench -- --quick' })).toContain('a quick run')
})

test('a rate is ahead when it is larger, a time when it is smaller', () => {
  const lines = page(
    { label: 'fast', value: 300, unit: 'messages/s', besides: [{ name: 'one', ratio: 1.5 }] },
    { label: 'slow', value: 100, unit: 'messages/s', besides: [{ name: 'one', ratio: 0.5 }] },
    { label: 'soon', value: 1, unit: 'ms', besides: [{ name: 'one', ratio: 0.5 }] },
    { label: 'late', value: 9, unit: 'ms', besides: [{ name: 'one', ratio: 4.5 }] },
  )
  const header = '| what | the gateway | beside | ratio |'
  expect(tableOf(lines, 'Ahead')).toEqual([header, '| fast | 300 messages/s | one | 1.50 |', '| soon | 1 ms | one | 0.50 |'])
  expect(tableOf(lines, 'Behind')).toEqual([header, '| slow | 100 messages/s | one | 0.50 |', '| late | 9 ms | one | 4.50 |'])
})

test('the budget of a message is what each process takes, and what memory holds', () => {
  const lines = page(
    { label: 'processor, A', value: 0.34, unit: 's for 1,000 messages' },
    { label: 'a subscriber', value: 5.6, unit: 'KiB each' },
    { label: 'a rate', value: 5, unit: 'messages/s' },
  )
  expect(tableOf(lines, 'Budget of a message')).toEqual([
    '| what | budget |',
    '| processor, A | 340 µs |',
    '| a subscriber | 5.6 KiB each |',
  ])
})

test('a benchmark without rows has its notes, which say why', () => {
  const lines = page()
  expect(lines).toContain('a note')
  expect(lines).not.toContain('## Ahead')
})

test('each benchmark has its notes and rows, with shares of their limits', () => {
  const lines = page({ label: 'ours', value: 12_345.6, unit: 'messages/s', ofLimit: 0.456 })
  expect(lines).toContain('a note')
  expect(tableOf(lines, 'a benchmark')).toEqual(['| what | value | of its limit |', '| ours | 12,346 messages/s | 0.46 |'])
})
