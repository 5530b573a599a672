import { CommanderError } from 'commander'
import { exitCodeOf, Misuse, wordsOf } from './failures.ts'
import { createProgram } from './program.ts'

/** The command `peergate`. An error is written to stderr and sets the exit code. */

// Whoever reads the output may have seen enough, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const program = createProgram()

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Error)) throw error
  // What commander throws it has shown.
  if (!(error instanceof CommanderError)) process.stderr.write(`${wordsOf(error)}\n`)
  if (error instanceof Misuse) process.stderr.write(`See: ${helpOf(process.argv.slice(2))} --help\n`)
  process.exitCode = exitCodeOf(error)
}

/** The command that the arguments name: `peergate token create` of `token create --name x`. */
function helpOf(args: string[]): string {
  const names = [program.name()]
  for (let at = program; ; ) {
    const below = at.commands.find((each) => args.includes(each.name()))
    if (below === undefined) return names.join(' ')
    names.push(below.name())
    at = below
  }
}
