import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { runProgram } from '../fixtures/program.ts'
import { pythonEnvironment } from '../fixtures/python-environment.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const token = 'the-token-of-a-reader-of-the-contract'

/** Requests for each operation, by generation at random; those that a schema's bounds suggest come besides. */
const examples = 20

test.for<EngineName>(['custom', 'libp2p'])('requests made of openapi.yaml get answers that it has (%s)', async (engine, { skip }) => {
  const python = await pythonEnvironment('schemathesis==4.32.5', skip)
  const directory = await temporaryDirectory()
  const environment = (name: string) => ({
    ...quietEnvironment(join(directory, name), engine),
    PEERGATE_ADMIN_TOKEN: token,
    // As many requests as there are, in as short a time as may be.
    PEERGATE_DHT_TIMEOUT_MS: '1000',
    PEERGATE_DIAL_TIMEOUT_MS: '1000',
  })
  const gateway = await gatewayForTest(environment('gateway'))
  // The DHT needs another.
  const peer = await gatewayForTest(environment('peer'))
  const dialled = await createRest(gateway.url, token).call('POST', '/v1/peers', { multiaddr: peer.multiaddrs[0] })
  expect(dialled.status).toBe(201)

  const command = ['-m', 'schemathesis.cli', '--config-file', join(here, 'schemathesis.toml'), 'run', `${gateway.url}/openapi.json`]
  const options = ['--max-examples', String(examples), '--header', `Authorization: Bearer ${token}`]
  await runProgram(join(python, 'bin/python'), [...command, ...options, '--warnings', 'off'], {
    cwd: directory,
    env: { ...process.env, PYTHONPATH: here, PYTHONDONTWRITEBYTECODE: '1' },
  })
})
