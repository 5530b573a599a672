import { join } from 'node:path'
import { test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { playGuide } from '../fixtures/guide.ts'
import { canRun } from '../fixtures/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { typescriptClient } from '../fixtures/typescript-client.ts'
import { clientPython, clientVariables } from './environment.ts'

// It installs packages.
test('the guide to serving from Python', { timeout: 300_000 }, async ({ skip }) => {
  const needed = 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))'
  if (!(await canRun('python3', ['-c', needed]))) return skip('there is no python3, 3.11 or newer, with venv and pip')
  const { url } = await gatewayForTest(quietEnvironment(join(await temporaryDirectory(), 'data')))
  await playGuide('serve-from-python', { url })
})

test('the guide to sharing work, with its worker in Python', async ({ skip }) => {
  const python = await clientPython(skip)
  const { url } = await gatewayForTest(quietEnvironment(join(await temporaryDirectory(), 'data')))
  await playGuide('share-work', { url, env: clientVariables, programs: { python3: [python] }, files: typescriptClient })
})
