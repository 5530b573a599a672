import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { completionScript, shells } from '../../src/cli/completions.ts'
import { createProgram } from '../../src/cli/program.ts'

/** What bash offers after a line of words. */
function offered(words: string[]): string[] {
  const script = `${completionScript('bash', createProgram())}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _peergate; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
}

test('bash completes commands, those below them, and options', () => {
  expect(offered(['peergate', 'pe'])).toEqual(['peers'])
  expect(offered(['peergate', 'peers', ''])).toEqual(expect.arrayContaining(['list', 'dial', 'block', '--url']))
  expect(offered(['peergate', 'peers', 'list', '--st'])).toEqual(['--state'])
  expect(offered(['peergate', 'consumers', 'parked', ''])).toEqual(expect.arrayContaining(['list', 'replay', 'drop']))
  expect(offered(['peergate', '--json', 'database', 'ch'])).toEqual(['check'])
  expect(offered(['peergate', 'publish', 'orders', '--l'])).toEqual(['--lines'])
})

test.each(shells)('the script for %s names every command', (shell) => {
  const script = completionScript(shell, createProgram())
  for (const { name } of createProgram().commands.map((command) => ({ name: command.name() }))) expect(script).toContain(name)
})
