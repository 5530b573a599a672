import { stripTypeScriptTypes } from 'node:module'

/** One small break of the source, and the test files of which one has to fail with it. */
export interface Mutant {
  /** What the break does. */
  name: string
  file: string
  /** A piece of the source that is there once. It is found by its text, so that it may move. */
  from: string
  to: string
  tests: string[]
}

/** Which mutant the tests are run with. */
export const mutantVariable = 'PEERGATE_TEST_MUTANT'

/** @throws Error when the piece is not there once, or what comes of it is no TypeScript: tests would fail for that alone */
export function apply({ name, file, from, to }: Mutant, source: string): string {
  const pieces = source.split(from)
  if (pieces.length !== 2) throw new Error(`"${name}": its piece is ${pieces.length - 1} times in ${file}: ${from}`)
  const broken = pieces.join(to)
  try {
    stripTypeScriptTypes(broken)
  } catch (cause) {
    throw new Error(`"${name}": ${file} can't be read with it`, { cause })
  }
  return broken
}

/** Breaks of one file: of each what it does, the piece, and what stands there instead. */
export function breaks(file: string, tests: string[], list: Array<[name: string, from: string, to: string]>): Mutant[] {
  return list.map(([name, from, to]) => ({ name, file, tests, from, to }))
}
