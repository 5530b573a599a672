import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment, StartFailed, startGateway } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

async function refusal(env: Record<string, string>): Promise<StartFailed> {
  try {
    const gateway = await startGateway(env)
    await gateway.end('SIGKILL')
  } catch (error) {
    if (error instanceof StartFailed) return error
    throw error
  }
  throw new Error('the gateway started')
}

test('a wrong configuration ends the start with the variable and the fix, and nothing else', async () => {
  const environment = quietEnvironment(await temporaryDirectory())
  const wrongPort = await refusal({ ...environment, PEERGATE_HTTP_PORT: 'http' })
  const wrongEngine = await refusal({ ...environment, PEERGATE_LISTEN: '/ip4/127.0.0.1/udp/0/quic-v1' })
  expect([wrongPort.code, wrongEngine.code]).toEqual([78, 78])
  expect(wrongPort.output).toMatch(/PEERGATE_HTTP_PORT must be a whole number/)
  expect(wrongEngine.output).toMatch(/PEERGATE_LISTEN .*LIBP2P_ENABLED=true/)
  expect(wrongPort.output + wrongEngine.output).not.toMatch(/\bat .*\.ts:/)
})

test('a database that is behind, or in no directory, ends the start with the variable and the fix', async () => {
  const directory = await temporaryDirectory()
  const environment = quietEnvironment(join(directory, 'data'))
  const behind = await refusal({ ...environment, PEERGATE_MIGRATE: 'false' })
  const nowhere = await refusal({ ...environment, DATABASE_URL: `file:${directory}/data/peer.key/peergate.db` })
  expect([behind.code, nowhere.code]).toEqual([78, 78])
  expect(behind.output).toMatch(/peergate (-- )?database migrate; or set PEERGATE_MIGRATE=true/)
  expect(nowhere.output).toMatch(/can't be created.*DATABASE_URL/)
  expect(behind.output + nowhere.output).not.toMatch(/\bat .*\.ts:/)
})

test('a second gateway on the same key is refused and says what to do', async () => {
  const directory = await temporaryDirectory()
  await gatewayForTest(quietEnvironment(directory))
  const { code, output } = await refusal(quietEnvironment(directory))
  expect(code).toBe(78)
  expect(output).toMatch(/PEERGATE_DATA_DIR or PEERGATE_KEY_FILE/)
})

test('a key that others can read is refused and says what to do', async () => {
  const directory = await temporaryDirectory()
  const gateway = await gatewayForTest(quietEnvironment(directory))
  await gateway.end('SIGTERM')
  await chmod(join(directory, 'peer.key'), 0o644)
  const { code, output } = await refusal(quietEnvironment(directory))
  expect(code).toBe(78)
  expect(output).toMatch(/chmod 600/)
})

test('SIGTERM finishes what is in flight, says goodbye to streams, and ends with 0', async () => {
  const directory = await temporaryDirectory()
  const environment = quietEnvironment(directory)
  const gateway = await gatewayForTest(environment)
  const subscriber = await openStream(gateway.url, { query: '?topic=orders' })
  await subscriber.expect('caught-up')
  const acknowledged: string[] = []
  const first = Promise.withResolvers<void>()
  const publishing = Promise.all(
    Array.from({ length: 4 }, async () => {
      for (;;) {
        const answer = await createRest(gateway.url)
          .call('POST', '/v1/topics/orders/messages', { data: 'x' })
          .catch(() => undefined)
        if (answer?.status !== 201) return
        acknowledged.push(String(Object(answer.body).id))
        first.resolve()
      }
    }),
  )
  await first.promise
  expect(await gateway.end('SIGTERM')).toBe(0)
  await publishing
  await subscriber.expect('closing')
  expect(await subscriber.closed).toBe(4002)

  const again = await gatewayForTest(environment)
  const stored = new Set((await createRest(again.url).history('topic=orders')).map(({ id }) => id))
  expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
})

test('a shutdown that meets its deadline ends with 1', async () => {
  const gateway = await gatewayForTest({ ...quietEnvironment(await temporaryDirectory()), PEERGATE_SHUTDOWN_MS: '0' })
  const subscriber = await openStream(gateway.url, { query: '?topic=orders' })
  onTestFinished(() => subscriber[Symbol.asyncDispose]())
  subscriber.socket.pause()
  expect(await gateway.end('SIGTERM')).toBe(1)
})

test('logs nothing that a peer supplied at info or above', async () => {
  const directory = await temporaryDirectory()
  const gateway = await gatewayForTest(quietEnvironment(join(directory, 'first')))
  const peer = await gatewayForTest({ ...quietEnvironment(join(directory, 'second')), PEERGATE_BOOTSTRAP: gateway.multiaddrs.join(',') })
  await createRest(gateway.url).call('PUT', '/v1/topics/secret-topic')
  await createRest(peer.url).publish('secret-topic', 'secret-data')
  await expect.poll(() => createRest(gateway.url).history('topic=secret-topic')).toHaveLength(1)
  await peer.end('SIGKILL')
  await gateway.end('SIGTERM')
  const log = gateway.lines.join('\n')
  for (const supplied of [peer.peerId, 'secret-topic', 'secret-data']) expect(log).not.toContain(supplied)
})
