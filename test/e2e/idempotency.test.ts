import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

test('an idempotency key that was acknowledged holds through a crash', async () => {
  const environment = quietEnvironment(join(await temporaryDirectory(), 'data'))
  const publish = async (url: string) => {
    const answer = await fetch(`${url}/v1/topics/orders/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'order-17' },
      body: '{"data":"once"}',
    })
    return { status: answer.status, replayed: answer.headers.get('idempotent-replayed'), body: await answer.json() }
  }
  const first = await gatewayForTest(environment)
  const answer = await publish(first.url)
  await first.end('SIGKILL')
  const second = await gatewayForTest(environment)
  expect(await publish(second.url)).toEqual({ ...answer, replayed: 'true' })
  expect(await createRest(second.url).history('topic=orders')).toHaveLength(1)
})
