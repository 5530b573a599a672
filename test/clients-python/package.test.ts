import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { runProgram, startProgram } from '../fixtures/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { clientPackage, clientPython, clientVariables } from './environment.ts'

const inPackage = { cwd: clientPackage, env: { ...process.env, ...clientVariables } }

test('the parts of the Python client pass their own tests', async ({ skip }) => {
  await runProgram(await clientPython(skip), ['-m', 'unittest'], inPackage)
})

test('its types, and those of its tests, hold with mypy --strict', async ({ skip }) => {
  const python = await clientPython(skip)
  await runProgram(python, ['-m', 'mypy', '--cache-dir', '/dev/null', '../../test/clients-python/scenario.py'], inPackage)
  await runProgram(python, ['-m', 'mypy', '--cache-dir', '/dev/null'], inPackage)
})

/** What the programs of the README print, in their order. */
const printed = [['hello'], ['hello', 'hello'], ['(17,)'], ['HELLO']]

test('the programs of the README print what they say', async ({ skip }) => {
  const python = await clientPython(skip)
  const readme = await readFile(join(clientPackage, 'README.md'), 'utf8')
  const programs = Array.from(readme.matchAll(/^```python\n(.*?)^```$/gms), ([, program = '']) => program)
  expect(programs).toHaveLength(printed.length)
  const directory = await temporaryDirectory()
  const gateway = await gatewayForTest(quietEnvironment(join(directory, 'data')))
  for (const [index, program] of programs.entries()) {
    const started = startProgram(python, ['-c', program.replace('http://127.0.0.1:7070', gateway.url)], {
      cwd: directory,
      env: { ...process.env, ...clientVariables, PYTHONUNBUFFERED: '1' },
    })
    await expect.poll(() => started.lines).toEqual(printed[index])
    // The first one follows for ever.
    if (index > 0) expect(await started.ended).toMatchObject({ code: 0 })
  }
})
