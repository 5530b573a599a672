import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { exitCodeOf, wordsOf } from '../../src/cli/failures.ts'
import type { Payload } from '../../src/cli/input.ts'
import { commandLimits } from '../../src/cli/limits.ts'
import { listed } from '../../src/cli/listed.ts'
import { publishAll } from '../../src/cli/publish-lines.ts'
import { createRemote, type Remote } from '../../src/cli/remote.ts'
import { defaultLimits } from '../../src/limits.ts'

/** Sizes of the requests that publish the lines, and of the data of each. */
async function batchesOf(lines: string[]): Promise<{ messages: number; characters: number }[]> {
  const batches: { messages: number; characters: number }[] = []
  async function publish(messages: { data: unknown }[]) {
    batches.push({ messages: messages.length, characters: messages.reduce((sum, { data }) => sum + String(data).length, 0) })
    return messages.map((_, index) => ({ id: `${index}`, cursor: 'c', topic: 'orders', recipients: 0, gateway: 'me' }))
  }
  async function* payloads(): AsyncGenerator<Payload> {
    for (const data of lines) yield { data, encoding: 'utf8' }
  }
  const published = await Array.fromAsync(publishAll({ topic: 'orders', publish }, payloads()))
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
  const remote: Pick<Remote, 'patiently'> = {
    async patiently(patienceMs, call) {
      asked.push(patienceMs)
      return await call()
    },
  }
  const pages = async (query: object) => {
    asked.push(query)
    return { items: [1], next: asked.length === 2 ? 'a' : null }
  }
  expect(await listed(remote, pages)).toEqual([1, 1])
  const { pageItems, listPatienceMs } = commandLimits
  expect(asked).toEqual([listPatienceMs, { limit: pageItems }, listPatienceMs, { after: 'a', limit: pageItems }])
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
  const failure = await remote.patiently(1_500, () => remote.call('get', '/v1/node')).catch((error: Error) => error)
  if (!(failure instanceof Error)) throw new Error('a busy gateway has answered')
  expect([exitCodeOf(failure), wordsOf(failure)]).toEqual([75, 'later (overloaded)'])
  expect([asked, told.length]).toEqual([2, 1])
})
