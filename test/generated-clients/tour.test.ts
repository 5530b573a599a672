import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, type TestContext, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { runProgram } from '../fixtures/program.ts'
import { startRelay } from '../fixtures/relay.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { type BuiltClient, type ClientName, clientNames, clientsOfRun } from './built-clients.ts'

const token = 'the-token-of-a-program-with-a-generated-client'

test.for(clientNames)('a program with the client of %s sees what the gateway has', async (name, { skip }) => {
  const client = builtClient(name, skip)
  const directory = await temporaryDirectory()
  const gateway = await gatewayForTest({ ...quietEnvironment(join(directory, 'data')), PEERGATE_ADMIN_TOKEN: token })
  const rest = createRest(gateway.url, token)
  const { limits } = await rest.get<{ limits: { maxMessageBytes: number } }>('/v1/node')

  const relay = await startRelay(gateway.url)
  const printed = await runIn(client, 'sh', ['run.sh', relay.url, token])

  const stored = await rest.history('topic=orders')
  expect(stored.map(({ data }) => data)).toEqual(['hello', 'one', 'two', 'AP8K', '{"order":17}'])
  // The bytes went as they are, not as base64 in JSON.
  expect(relay.sent.match(/^content-type: application\/octet-stream\r$/gim)).toHaveLength(1)
  expect(relay.sent).toContain('\u0000\u00ff\n')
  const [hello, ...listed] = stored.slice(0, 3).map(({ id }) => id)
  expect(JSON.parse(printed)).toEqual({
    node: { peerId: gateway.peerId, maxMessageBytes: limits.maxMessageBytes },
    // The age was not given, and has its default.
    retention: { maxAgeMs: 604_800_000, maxMessages: 100, maxBytes: Number.MAX_SAFE_INTEGER },
    published: hello,
    listed,
    bytes: 'AP8K',
    history: [['hello', 'one'], ['two', 'AP8K'], [{ order: 17 }]],
    delivery: { to: '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu', state: 'cancelled' },
    token: { name: 'tour', actions: ['read'], expiresAt: null },
    refused: { status: 404, code: 'topic_not_found' },
  })
})

test('a client in Python reads values that are newer than it is', async ({ skip }) => {
  const client = builtClient('openapi-python-client', skip)
  await runIn(client, 'python3', [fileURLToPath(new URL('newer_values.py', import.meta.url))])
})

function builtClient(name: ClientName, skip: TestContext['skip']): BuiltClient {
  const client = clientsOfRun()[name]
  return 'missing' in client ? skip(client.missing) : client
}

/** Runs a command in the folder of a client. @returns what it printed */
async function runIn({ at, env }: BuiltClient, command: string, args: string[]): Promise<string> {
  return await runProgram(command, args, { cwd: at, env: { ...process.env, PYTHONPATH: at, ...env } })
}
