import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vitest/config'
import { mutants } from './mutants.ts'
import { apply, mutantVariable } from './patch.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Breaks one source file as it is loaded, and nothing on the disk. */
function breakSource(): Plugin {
  const mutant = mutants.find(({ name }) => name === process.env[mutantVariable])
  return {
    name: 'break-source',
    enforce: 'pre',
    transform: (code, id) => (mutant !== undefined && id === `${root}${mutant.file}` ? apply(mutant, code) : undefined),
  }
}

/** The tests of one mutant, up to the first that fails. */
export default defineConfig({
  root,
  plugins: [breakSource()],
  test: {
    bail: 1,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    maxWorkers: 1,
    expect: { poll: { timeout: 5_000, interval: 20 } },
    // Those that take a minute find nothing that the others beside them do not.
    testNamePattern: /^(?!.*(10,000 requests|over ten windows))/,
  },
})
