import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

test.each(['docs/faults.md', 'docs/invariants.md'])('the tests that %s names are there', async (path) => {
  const text = await readFile(`${root}${path}`, 'utf8')
  const named = [...text.matchAll(/`(test\/[^`]*)`/g)].map(([, file = '']) => file)
  expect(named.length).toBeGreaterThan(20)
  const missing = await Array.fromAsync(new Set(named), async (file) =>
    (await Array.fromAsync(glob(file, { cwd: root }))).length === 0 ? [file] : [],
  )
  expect(missing.flat()).toEqual([])
})
