import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mutants } from './mutants.ts'
import { apply, type Mutant, mutantVariable } from './patch.ts'

/**
 * Runs the tests of each mutant with it: `npm run test:mutants`, or those whose file or name contains a word: `npm run test:mutants -- relay`.
 * Prints the score of each source file and of all. Fails when one survives, or no longer fits the source.
 */
const root = new URL('../../', import.meta.url)
const vitest = fileURLToPath(new URL('node_modules/vitest/vitest.mjs', root))
const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url))

/** How many mutants are tested at a time, and the milliseconds for one: with it, a test may wait for ever. */
const concurrency = 2
const timeoutMs = 120_000

type Outcome = 'killed' | 'killed by time' | 'survived'

/** Answers whether the tests pass; undefined when they took too long. */
async function pass(tests: string[], mutant?: Mutant): Promise<boolean | undefined> {
  const child = spawn(process.execPath, [vitest, 'run', '--config', config, '--reporter=dot', ...tests], {
    cwd: fileURLToPath(root),
    env: { ...process.env, [mutantVariable]: mutant?.name ?? '' },
    // Without a mutant they should pass, and say why when they do not.
    stdio: mutant === undefined ? ['ignore', 'ignore', 'inherit'] : 'ignore',
    // A group of its own, which ends with its workers.
    detached: true,
  })
  if (child.pid === undefined) throw new Error('vitest could not be started')
  const { pid } = child
  setPriority(pid, 10)
  let isLate = false
  const timer = setTimeout(
    () => {
      isLate = true
      process.kill(-pid, 'SIGKILL')
    },
    mutant === undefined ? timeoutMs * 10 : timeoutMs,
  )
  const [code] = await once(child, 'exit')
  clearTimeout(timer)
  return isLate ? undefined : code === 0
}

async function outcomeOf(mutant: Mutant): Promise<Outcome> {
  const passed = await pass(mutant.tests, mutant)
  if (passed === undefined) return 'killed by time'
  return passed ? 'survived' : 'killed'
}

async function checkPieces(list: Mutant[]): Promise<void> {
  const names = new Set(list.map(({ name }) => name))
  if (names.size < list.length) throw new Error('two mutants have one name')
  const problems = await Promise.all(
    list.map(async (mutant) => {
      try {
        apply(mutant, await readFile(new URL(mutant.file, root), 'utf8'))
        return []
      } catch (error) {
        return [error instanceof Error ? error.message : String(error)]
      }
    }),
  )
  const found = problems.flat()
  if (found.length > 0) throw new Error(`${found.length} mutants do not fit the source any more:\n${found.join('\n')}`)
}

function score(list: Mutant[], survivors: Mutant[]): string {
  const killed = list.filter((mutant) => !survivors.includes(mutant)).length
  return `${killed} of ${list.length} killed (${((100 * killed) / list.length).toFixed(0)} %)`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean', default: false } } })
  await checkPieces(mutants)
  if (values.check) return
  const chosen = mutants.filter(({ file, name }) => positionals.every((word) => file.includes(word) || name.includes(word)))
  if (chosen.length === 0) throw new Error('no mutant has these words in its file or name')
  const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))]
  say(`${chosen.length} mutants; first their ${tests.length} test files as they are`)
  if ((await pass(tests)) !== true) throw new Error('the tests fail without any mutant, so what they say of mutants is worth nothing')

  const waiting = [...chosen]
  const survivors: Mutant[] = []
  const next = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const begun = performance.now()
      const outcome = await outcomeOf(mutant)
      if (outcome === 'survived') survivors.push(mutant)
      const seconds = ((performance.now() - begun) / 1_000).toFixed(0)
      say(`${outcome.padEnd(14)} ${`${seconds} s`.padStart(5)}  ${mutant.file}: ${mutant.name}`)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, next))
  say('')
  for (const [file, of] of Map.groupBy(chosen, (mutant) => mutant.file)) say(`${file}: ${score(of, survivors)}`)
  say(`score: ${score(chosen, survivors)}`)
  for (const { file, name } of survivors) say(`survived: ${file}: ${name}`)
  if (survivors.length > 0) process.exitCode = 1
}

await main()
