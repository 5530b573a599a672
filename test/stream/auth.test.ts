import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createGateway } from '../../src/gateway/gateway.ts'
import { defaultLimits } from '../../src/limits.ts'
import { serverFrameSchema } from '../../src/stream/server-frames.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { patientDelayMs } from '../fixtures/gateway-process.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { openStream } from '../fixtures/stream-client.ts'

async function setUp() {
  const lines: string[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) })
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const gateway = createGateway(
    { http: loopbackHttp, limits: { ...defaultLimits, maxEventLoopDelayMs: patientDelayMs } },
    { store: createMemoryStore(), engine, logger },
  )
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const client = await openStream(gateway.url)
  onTestFinished(() => client[Symbol.asyncDispose]())
  return { client, lines }
}

test.each(['secret', 'secret'.padEnd(4_096, 'x')])(
  'no token is known: the frame is refused with invalid_token, and the connection goes on',
  async (token) => {
    const { client } = await setUp()
    client.send({ type: 'auth', id: 'renewal', token })
    const error = await client.expect('error')
    expect(error).toMatchObject({ id: 'renewal', code: 'invalid_token', retryable: false })
    expect(serverFrameSchema.safeParse(error).success).toBe(true)
    client.send({ type: 'ping', id: 1 })
    expect(await client.expect('pong')).toEqual({ type: 'pong', id: 1 })
  },
)

test.each([
  {},
  { token: '' },
  { token: 7 },
  { token: 'secret'.padEnd(8_193, 'x') },
  { token: 'secret', expiresAt: '2026-11-23T12:34:04.000Z' },
])('a frame that is not valid is refused, and the connection goes on: %#', async (fields) => {
  const { client } = await setUp()
  client.send({ type: 'auth', id: 2, ...fields })
  expect(await client.expect('error')).toMatchObject({ id: 2, code: 'invalid_request' })
  client.send({ type: 'ping' })
  await client.expect('pong')
})

test('a token is neither logged nor sent back', async () => {
  const { client, lines } = await setUp()
  for (const token of ['s3cr3t', 's3cr3t'.padEnd(5_000, 'x'), ['s3cr3t']]) client.send({ type: 'auth', token })
  client.send({ type: 'auth', tokn: 's3cr3t' })
  client.send({ type: 'ping' })
  await client.expect('pong')
  expect(client.frames.filter(({ type }) => type === 'error')).toHaveLength(4)
  expect(lines.length).toBeGreaterThan(0)
  expect([...lines, JSON.stringify(client.frames)].filter((said) => said.includes('s3cr3t'))).toEqual([])
})
