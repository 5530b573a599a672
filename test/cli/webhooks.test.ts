import { expect, test } from 'vitest'
import { gatewayWithTokens } from '../access/gateway-with-tokens.ts'
import { dataOf, receiver } from '../webhooks/stage.ts'
import { runInProcess } from './run-in-process.ts'

/** `peergate webhooks`. */
async function webhooksOf() {
  const { call, tokenFor, gateway } = await gatewayWithTokens({ webhookHosts: ['127.0.0.1'] })
  const { secret: token } = await tokenFor(['webhooks', 'read', 'publish'])
  const run = (...args: string[]) => runInProcess(['--url', gateway.url, '--token', token, 'webhooks', ...args])
  const publish = (data: string) => call('POST', '/v1/topics/orders/messages', { token, body: { data } })
  return { run, publish }
}

test('a webhook is made with its secret, sends, is tested, paused, resumed from an earlier position, and deleted', async () => {
  const { run, publish } = await webhooksOf()
  const { url, received } = await receiver(() => ({ body: 'thanks' }))
  const made = await run('create', url, 'orders', '--header', 'X-Own: a: b', '--batch-size', '7', '--timeout', '2.5')
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^wh_\w+\twhsec_\S+\n$/) })
  const [id = '', secret = ''] = made.stdout.trim().split('\t')
  await publish('1')
  await expect.poll(() => dataOf(received)).toEqual(['1'])
  expect(received[0]?.headers).toMatchObject({ 'x-own': 'a: b' })
  expect((await run('test', id)).stdout).toMatch(/^200\t\d+ ms\tthanks\n$/)
  await expect.poll(async () => (await run('attempts', id)).stdout).toMatch(/^\S+\t\S+\t1\t200\t\d+ ms\t\n$/)
  expect((await run()).stdout).toMatch(new RegExp(`^${id}\tactive\t${url}\torders\t\\S+\t0\t\n$`))
  expect((await run('pause', id)).stdout).toContain('state\tpaused\n')
  await publish('2')
  expect(JSON.parse((await run('resume', id, '--after', 'earliest', '--json')).stdout)).toMatchObject({
    id,
    state: 'active',
    batchSize: 7,
    timeoutMs: 2_500,
  })
  await expect.poll(() => dataOf(received)).toEqual(['1', '1', '2'])
  const [, other] = (await run('rotate', id)).stdout.trim().split('\t')
  expect(other).not.toBe(secret)
  expect((await run('update', id, '--topic', 'a', 'b.*', '--timeout', '3')).stdout).toMatch(
    /topics\ta b\.\*\n.*timeout\t3 s\nheaders\tX-Own\n/s,
  )
  expect(await run('delete', id)).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await run('show', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('webhook_not_found') })
})

test('the exit code of a test tells that the receiver refused it, and arguments that are none are refused', async () => {
  const { run } = await webhooksOf()
  const { url } = await receiver(() => ({ status: 500, body: 'broken' }))
  const [id = ''] = (await run('create', url, 'orders')).stdout.split('\t')
  expect(await run('test', id)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^500\t\d+ ms\tbroken\n$/),
    stderr: expect.stringContaining('failed'),
  })
  expect(await run('create', url)).toMatchObject({ code: 64, stderr: 'Name topics, or --direct.' })
  expect(await run('update', id)).toMatchObject({ code: 64, stderr: 'Name what is to change.' })
  expect(await run('create', url, 'orders', '--header', 'no field')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('"Name: value"'),
  })
})
