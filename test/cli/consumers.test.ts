import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { commandLimits } from '../../src/cli/limits.ts'
import { maxWaitMs } from '../../src/http/inputs.ts'
import { maxAckedIds } from '../../src/model/consumer.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { runInProcess } from './run-in-process.ts'

/** `peergate consumers`, and a gateway with a consumer of `orders`. */
async function consumerOf(options: string[] = []) {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  const run = (...args: string[]) => runInProcess(['--url', gateway.url, 'consumers', ...args])
  expect(await run('create', 'billing', 'orders', '--after', 'earliest', '--backoff', '0', ...options)).toMatchObject({
    code: 0,
    stderr: '',
  })
  const publish = async (...data: string[]) => {
    const rest = createRest(gateway.url)
    for (const each of data) await rest.publish('orders', each)
  }
  const state = async () => JSON.parse((await run('show', 'billing', '--json')).stdout)
  return { run, publish, state }
}

/** The values of each line of a table. */
const rowsOf = ({ stdout }: { stdout: string }) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))

test('a consumer is made, listed, shown, changed and removed', async () => {
  const { run, state } = await consumerOf(['--order', 'strict', '--max-deliveries', '3'])
  expect(rowsOf(await run())).toEqual([['billing', 'orders', 'strict', expect.any(String), '0', expect.any(String)]])
  expect(rowsOf(await run('update', 'billing', '--ack-wait', '1.5', '--max-deliveries', '0'))).toEqual(
    expect.arrayContaining([
      ['ack wait', '1.5 s'],
      ['max deliveries', 'no limit'],
    ]),
  )
  expect(await state()).toMatchObject({ order: 'strict', ackWaitMs: 1_500, maxDeliveries: 0, backoffMs: 0, pending: 0 })
  expect(rowsOf(await run('show', 'billing'))).toContainEqual(['workers here', '0'])
  expect(await run('delete', 'billing')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await run('show', 'billing')).toMatchObject({ code: 1, stderr: expect.stringContaining('consumer_not_found') })
})

test('messages are taken, and acknowledged when they are printed or by their ids', async () => {
  const { run, publish, state } = await consumerOf()
  await publish('first', 'second', 'third')
  expect((await run('pull', 'billing', '--ack', '--template', '{topic} {data}')).stdout).toBe('orders first\n')
  const [second = [], third = []] = rowsOf(await run('pull', 'billing', '-n', '5', '--wait', '1'))
  expect([second.slice(1), third.slice(1)]).toEqual([
    ['1', 'orders', '"second"'],
    ['1', 'orders', '"third"'],
  ])
  expect(rowsOf(await run('ack', 'billing', second[0] ?? '', 'unheard-of'))).toEqual([
    [second[0]?.split('~')[0], 'settled'],
    ['unheard-of', 'unknown'],
  ])
  await run('ack', 'billing', third[0] ?? '', '--verdict', 'retry')
  const again = JSON.parse((await run('pull', 'billing', '--json', '--wait', '5')).stdout)
  expect(again).toMatchObject({ attempt: 2, message: { data: 'third' } })
  expect(await state()).toMatchObject({ unacked: 1, waiting: 0, pending: 0 })
  expect(rowsOf(await run('show', 'billing')).slice(-2)).toEqual([
    ['delivered here', '4'],
    ['settled here', '2'],
  ])
})

test('a program works on each message, several at a time, until it succeeds', async () => {
  const { run, publish, state } = await consumerOf()
  await publish('a', 'b', 'fails')
  const log = join(await temporaryDirectory(), 'log')
  const program =
    'read -r data; echo "$data $PEERGATE_MESSAGE_ATTEMPT $PEERGATE_MESSAGE_TOPIC" >> "$0"; [ "$data$PEERGATE_MESSAGE_ATTEMPT" != fails1 ]'
  const ended = await run('work', 'billing', '--concurrency', '2', '-n', '4', '--', 'sh', '-c', program, log)
  expect(ended).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^Working for billing\.\nThe program ended with 1 for \S+, attempt 1\.\n$/),
  })
  const had = (await readFile(log, 'utf8')).trimEnd().split('\n').toSorted()
  expect(had).toEqual(['a 1 orders', 'b 1 orders', 'fails 1 orders', 'fails 2 orders'])
  expect(await state()).toMatchObject({ unacked: 0, waiting: 0, pending: 0 })
})

test('a program that cannot be started ends the worker, and a consumer that is not there too', async () => {
  const { run, publish, state } = await consumerOf()
  await publish('a')
  expect(await run('work', 'billing', '--', '/no/such/program')).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') })
  expect(await state()).toMatchObject({ unacked: 0, waiting: 1 })
  expect(await run('work', 'unheard-of', '--', 'true')).toMatchObject({ code: 1, stderr: expect.stringContaining('consumer_not_found') })
})

test('parked messages are listed, replayed and dropped', async () => {
  const { run, publish, state } = await consumerOf(['--max-deliveries', '1'])
  await publish('a', 'b', 'c')
  await run('work', 'billing', '-n', '3', '--', 'false')
  await expect.poll(state).toMatchObject({ parked: 3, unacked: 0, waiting: 0 })
  const parked = rowsOf(await run('parked', 'list', 'billing'))
  expect(parked.map(([, attempts, topic, , data]) => [attempts, topic, data])).toEqual(
    ['"a"', '"b"', '"c"'].map((data) => ['1', 'orders', data]),
  )
  const [[first = ''] = [], [second = ''] = []] = parked
  expect((await run('parked', 'replay', 'billing', first)).stdout).toBe('1\treplayed\n')
  expect(JSON.parse((await run('parked', 'drop', 'billing', second, '--json')).stdout)).toEqual({ dropped: 1 })
  expect((await run('parked', 'drop', 'billing')).code).toBe(64)
  expect((await run('parked', 'drop', 'billing', '--all')).stdout).toBe('1\tdropped\n')
  expect((await run('parked', 'list', 'billing')).stdout).toBe('')
  expect((await run('pull', 'billing', '--ack', '--template', '{data}')).stdout).toBe('a\n')
  expect((await run('parked', 'replay', 'billing')).stdout).toBe('0\treplayed\n')
})

test('a worker waits no longer than a gateway lets it, and names no more messages at once than a gateway takes', () => {
  expect(commandLimits.pullWaitMs).toBeLessThanOrEqual(maxWaitMs)
  expect(commandLimits.maxAckIds).toBeLessThanOrEqual(maxAckedIds)
})
