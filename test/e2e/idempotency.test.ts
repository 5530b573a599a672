import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
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

test('a token that was created under an idempotency key is not created again after a crash, and its secret is nowhere', async () => {
  const directory = join(await temporaryDirectory(), 'data')
  const environment = { ...quietEnvironment(directory), PEERGATE_ADMIN_TOKEN: 'the-token-of-the-operator' }
  const headers = { authorization: 'Bearer the-token-of-the-operator', 'content-type': 'application/json', 'idempotency-key': 'till-3' }
  const create = async (url: string) => {
    const answer = await fetch(`${url}/v1/tokens`, { method: 'POST', headers, body: '{"name":"till","actions":["publish"]}' })
    const body = z.looseObject({ secret: z.string().nullable() }).parse(await answer.json())
    return { status: answer.status, replayed: answer.headers.get('idempotent-replayed'), body }
  }
  const first = await gatewayForTest(environment)
  const answer = await create(first.url)
  await first.end('SIGKILL')
  const second = await gatewayForTest(environment)
  expect(await create(second.url)).toEqual({ ...answer, replayed: 'true', body: { ...answer.body, secret: null } })
  expect(await (await fetch(`${second.url}/v1/tokens`, { headers })).json()).toMatchObject({ items: [{ name: 'till' }] })
  await second.end('SIGKILL')
  for (const file of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) expect(await readFile(join(file.parentPath, file.name), 'latin1')).not.toContain(answer.body.secret)
  }
})
