import { expect, test } from 'vitest'
import { add, comparison, type Figures } from '../../bench/compare.ts'

function figures(...rounds: number[]): Figures {
  const all: Figures = new Map()
  for (const value of rounds) add(all, [{ name: 'a benchmark', rows: [{ label: 'ours', value, unit: 'messages/s' }] }])
  return all
}

test('compares the medians of all rounds', () => {
  const [empty, name, head, line, ...others] = comparison('0123456789abcdef', figures(900, 300, 200), figures(100, 150, 9_000))
  expect([empty, name]).toEqual(['', 'a benchmark'])
  expect(head?.trim().split(/ +/)).toEqual(['here', '0123456789a', 'ratio'])
  expect(line?.split(/ {2,}/)).toEqual(['ours', '300', '150', '2.00', 'messages/s'])
  expect(others).toEqual([])
})
