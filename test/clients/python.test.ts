import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, type TestContext, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { runProgram } from '../fixtures/program.ts'
import { pythonEnvironment } from '../fixtures/python-environment.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { expectSession } from './expected-session.ts'

const openapi = fileURLToPath(new URL('../../openapi.yaml', import.meta.url))
const generator = 'openapi-python-client==0.29.1'
const timeout = 180_000

/** Of the client, which the tests share: it takes a while to make. */
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peergate-test-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test('a Python client generated from the contract works (needs python3 and an index of its packages)', { timeout }, async ({ skip }) => {
  const python = await generatedClient(skip)
  const { url } = await gatewayForTest(quietEnvironment(join(await temporaryDirectory(), 'data')))
  await expectSession(await python('session.py', url), url)
})

test('a Python client generated from the contract reads values that are newer than it is', { timeout }, async ({ skip }) => {
  const python = await generatedClient(skip)
  await python('newer_values.py')
})

/** Runs a script of this directory beside the client. @returns what it printed @throws when it fails */
type Python = (script: string, ...args: string[]) => Promise<string>

let made: Python | undefined

/** The client, made for the first test that asks. */
async function generatedClient(skip: TestContext['skip']): Promise<Python> {
  made ??= await generateClient(skip)
  return made
}

async function generateClient(skip: TestContext['skip']): Promise<Python> {
  const bin = join(await pythonEnvironment(generator, skip), 'bin')
  // The generator formats what it made with ruff, which it looks for on the PATH.
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}`, PYTHONPATH: directory }
  const python = (...args: string[]) => runProgram(join(bin, 'python'), args, { cwd: directory, env })

  await python('-m', 'openapi_python_client', 'generate', '--path', openapi, '--meta', 'none', '--output-path', 'peergate_client')
  return (script, ...args) => python(fileURLToPath(new URL(script, import.meta.url)), ...args)
}
