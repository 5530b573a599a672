import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { runProgram, startProgram } from '../fixtures/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { clientPackage, clientPython, clientVariables } from './environment.ts'

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const inPackage = { cwd: clientPackage, env: { ...process.env, ...clientVariables } }

test('the parts of the Python client pass their own tests', async ({ skip }) => {
  await runProgram(await clientPython(skip), ['-m', 'unittest'], inPackage)
})

test('its types, and those of its tests, hold with mypy --strict', async ({ skip }) => {
  const python = await clientPython(skip)
  const programs = [program('scenario.py'), program('tour.py')]
  await runProgram(python, ['-m', 'mypy', '--cache-dir', '/dev/null', 'src', 'tests', ...programs], inPackage)
})

test('a gateway takes each frame that the client sends, with all options', async ({ skip }) => {
  const python = await clientPython(skip)
  const gateway = await gatewayForTest(quietEnvironment(join(await temporaryDirectory(), 'data')))
  expect(JSON.parse(await runProgram(python, [program('tour.py'), gateway.url], inPackage))).toEqual({
    answer: [0, 255],
    replayed: [false, true, true],
    item: ['message', { order: 17 }],
    delivery: 'cancelled',
    page: [{ order: 17 }],
    bytes: Array.from(Buffer.from('{"order":17}')),
    refused: ['topic_not_found', 404],
    large: 'message_too_large',
    work: [[['good'], 1], [['good'], 2], [['good'], 3], [['bad'], 1], [0, 0, 1], 'consumer_not_found'],
    state: 'open',
  })
})

/** What the programs of the README print, in their order. */
const printed = [['hello'], ['hello', 'hello'], ['(17,)'], ['HELLO'], ['billed hello']]

test('the programs of the README print what they say', async ({ skip }) => {
  const python = await clientPython(skip)
  const readme = await readFile(join(clientPackage, 'README.md'), 'utf8')
  const programs = Array.from(readme.matchAll(/^```python\n(.*?)^```$/gms), ([, text = '']) => text)
  expect(programs).toHaveLength(printed.length)
  const directory = await temporaryDirectory()
  const gateway = await gatewayForTest(quietEnvironment(join(directory, 'data')))
  for (const [index, text] of programs.entries()) {
    const started = startProgram(python, ['-c', text.replace('http://127.0.0.1:7070', gateway.url)], {
      cwd: directory,
      env: { ...process.env, ...clientVariables, PYTHONUNBUFFERED: '1' },
    })
    await expect.poll(() => started.lines).toEqual(printed[index])
    // The first one follows for ever, and the last one works.
    if (index > 0 && index < printed.length - 1) expect(await started.ended).toMatchObject({ code: 0 })
  }
})
