import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { Payload } from '../../src/cli/input.ts'
import { commandLimits } from '../../src/cli/limits.ts'
import { listed } from '../../src/cli/listed.ts'
import { publishAll } from '../../src/cli/publish-lines.ts'
import { type Call, createRemote, type Remote } from '../../src/cli/remote.ts'
import { defaultLimits } from '../../src/limits.ts'

/** Sizes of the requests that publish the lines, and of the data of each. */
async function batchesOf(lines: string[]): Promise<{ messages: number; characters: number }[]> {
  const batches: { messages: number; characters: number }[] = []
  const remote: Pick<Remote, 'call'> = {
    async call<T>(_method: string, _path: string, answer: z.ZodType<T>, call: Call = {}) {
      const { messages }: { messages: Payload[] } = JSON.parse(JSON.stringify(call.body))
      batches.push({ messages: messages.length, characters: messages.reduce((sum, { data }) => sum + String(data).length, 0) })
      return answer.parse({ items: messages.map((_, index) => ({ id: `${index}`, cursor: 'c', topic: 'orders', recipients: 0 })) })
    },
  }
  async function* payloads(): AsyncGenerator<Payload> {
    for (const data of lines) yield { data, encoding: 'utf8' }
  }
  const published = await Array.fromAsync(publishAll({ remote, topic: 'orders', patienceMs: 0 }, payloads()))
  expect(published.flat()).toHaveLength(lines.length)
  return batches
}

test('lines are published in requests of a limited number of messages, which a gateway takes', async () => {
  const { maxBatchMessages } = commandLimits
  const batches = await batchesOf(Array.from({ length: 2 * maxBatchMessages + 1 }, () => 'x'))
  expect(batches.map(({ messages }) => messages)).toEqual([maxBatchMessages, maxBatchMessages, 1])
  expect(maxBatchMessages).toBeLessThanOrEqual(defaultLimits.maxPublishMessages)
})

test('lines are published in requests of limited size', async () => {
  const { maxBatchCharacters } = commandLimits
  const line = 'x'.repeat(maxBatchCharacters / 4)
  expect((await batchesOf(Array.from({ length: 9 }, () => line))).map(({ messages }) => messages)).toEqual([4, 4, 1])
  expect((await batchesOf(['x', 'x'.repeat(2 * maxBatchCharacters), 'x'])).map(({ messages }) => messages)).toEqual([1, 1, 1])
  expect(maxBatchCharacters).toBeLessThan(defaultLimits.maxBodyBytes)
})

test('lists are read by pages of a limited size, which a gateway gives', async () => {
  const asked: unknown[] = []
  const remote: Remote = {
    url: '',
    async call(_method, _path, answer, call = {}) {
      asked.push([call.query?.['limit'], call.patienceMs])
      return answer.parse({ items: [1], next: asked.length === 1 ? 'a' : null })
    },
  }
  expect(await listed(remote, '/v1/peers', z.number())).toEqual([1, 1])
  const { pageItems, listPatienceMs } = commandLimits
  expect(asked).toEqual([
    [pageItems, listPatienceMs],
    [pageItems, listPatienceMs],
  ])
  expect(pageItems).toBeLessThanOrEqual(defaultLimits.maxReadMessages)
})

test('a busy gateway is tried again until the patience is over', async () => {
  let asked = 0
  const problem = JSON.stringify({ title: 'Busy', detail: 'later', code: 'overloaded', retryable: true })
  const server = createServer((_request, response) => {
    asked++
    response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' }).end(problem)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const told: string[] = []
  const remote = createRemote({ url: `http://127.0.0.1:${port}` }, (why) => told.push(why))
  await expect(remote.call('GET', '/v1/node', z.unknown(), { patienceMs: 1_500 })).rejects.toMatchObject({ exitCode: 75 })
  expect([asked, told.length]).toEqual([2, 1])
  await expect(remote.call('GET', '/v1/node', z.unknown())).rejects.toMatchObject({ exitCode: 75 })
  expect(asked).toBe(3)
})
