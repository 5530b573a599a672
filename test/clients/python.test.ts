import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { canRun, runProgram } from '../fixtures/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { expectSession } from './expected-session.ts'

const openapi = fileURLToPath(new URL('../../openapi.yaml', import.meta.url))
const session = fileURLToPath(new URL('./session.py', import.meta.url))
const generator = 'openapi-python-client==0.29.1'

test('a Python client generated from the contract works (needs python3 and an index of its packages)', { timeout: 180_000 }, async ({
  skip,
}) => {
  const python = await canRun('python3', ['-c', 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))'])
  if (!python) skip('there is no python3, 3.11 or newer, with venv and pip')
  const directory = await temporaryDirectory()
  const { url } = await gatewayForTest(quietEnvironment(join(directory, 'data')))
  const bin = join(directory, 'venv/bin')
  // The generator formats what it made with ruff, which it looks for on the PATH.
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}`, PYTHONPATH: directory }
  const run = (command: string, ...args: string[]) => runProgram(command, args, { cwd: directory, env })

  await run('python3', '-m', 'venv', 'venv')
  await run(join(bin, 'pip'), 'install', '--quiet', '--disable-pip-version-check', generator).catch(() => undefined)
  skip(!existsSync(join(bin, 'openapi-python-client')), 'no index of Python packages could be reached')
  await run(join(bin, 'openapi-python-client'), 'generate', '--path', openapi, '--meta', 'none', '--output-path', 'peergate_client')
  await expectSession(await run(join(bin, 'python'), session, url), url)
})
