import { execFileSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

const module = pathToFileURL('src/lib/new-space.ts').href

/** A process that keeps what it allocates, and writes the size of its new space in MiB before and after it may grow. */
const program = `
import { getHeapSpaceStatistics } from 'node:v8'
import { keepNewSpaceSmall, letNewSpaceGrow } from '${module}'
const kept = []
function fill() {
  for (let i = 0; i < 400_000; i++) kept.push({ i })
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size / 2 ** 20
}
keepNewSpaceSmall()
const small = fill()
letNewSpaceGrow()
console.log(JSON.stringify([small, fill()]))
`

test('the new space stays at its first size until it may grow', () => {
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  const [small, grown]: [number, number] = JSON.parse(output)
  expect(small).toBeLessThanOrEqual(2)
  expect(grown).toBeGreaterThan(8)
})
