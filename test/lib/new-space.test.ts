import { execFileSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

const module = pathToFileURL('src/lib/new-space.ts').href

/**
 * A process that keeps what it allocates, and writes the size of its new space in MiB: when it is told to keep it small, then full, and full
 * again after it may grow. The size is taken right after a collection, since what one that is under way holds counts, too.
 */
const program = `
import { getHeapSpaceStatistics } from 'node:v8'
import { keepNewSpaceSmall, letNewSpaceGrow } from '${module}'
const kept = []
function size() {
  gc({ type: 'minor' })
  const { space_used_size: used, space_available_size: free } = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
  return (used + free) / 2 ** 20
}
function fill() {
  for (let i = 0; i < 400_000; i++) kept.push({ i })
  return size()
}
keepNewSpaceSmall()
const sizes = [size(), fill(), fill()]
letNewSpaceGrow()
console.log(JSON.stringify([...sizes, fill(), fill()]))
`

test('the new space stays at the size it has until it may grow', () => {
  const output = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], { encoding: 'utf8' })
  const [first, ...later]: number[] = JSON.parse(output)
  expect(first).toBeLessThanOrEqual(2)
  expect(later.slice(0, 2)).toEqual([first, first])
  expect(later.at(-1)).toBeGreaterThan(4)
})
