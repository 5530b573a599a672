import { expect, onTestFinished, test } from 'vitest'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createRest } from '../fixtures/rest.ts'
import { runInProcess } from './run-in-process.ts'

test('a topic is joined, its clients are listed, and it is left', async () => {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  const run = (...args: string[]) => runInProcess(['--url', gateway.url, 'topics', ...args])
  await createRest(gateway.url).publish('orders', 'used only')
  expect((await run('users', 'orders')).stdout).toMatch(/^local\tno\t\S+Z\t\S+Z\n$/)
  expect(await run('join', 'orders')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(JSON.parse((await run('users', 'orders', '--json')).stdout)).toMatchObject({ client: 'local', explicit: true })
  expect((await run()).stdout).toMatch(/^orders\tyes\t1\t9\t0\t\S+\n$/)
  expect((await run('leave', 'orders')).code).toBe(0)
  expect(await run('users', 'orders')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await run('users', 'nowhere')).toMatchObject({ code: 1, stderr: expect.stringContaining('topic_not_found') })
})
