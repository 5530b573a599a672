import { openGatewayQueue } from './gateway-queue.ts'
import { openJetStreamQueue } from './peers/jetstream-queue.ts'
import { findProgram, missingPrograms } from './peers/programs.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { payload, type WorkQueue } from './work-queue.ts'

/**
 * A consumer whose workers acknowledge each message by itself: messages a second that are delivered and durably
 * acknowledged, when all are waiting. With one worker and with eight, on a short log, and again after many were settled:
 * the cost is not to grow with them. Then how long a message takes to the next worker when the connection of the one
 * that has it ends. Beside it, in turns, JetStream on the same disk, where it is installed.
 */

/** consumerFileStore.flushLoop of nats-server */
const jetStreamNote =
  'JetStream answers an acknowledgement from memory, and writes the state of a consumer to the disk at most ten times a second. The gateway answers when it is on the disk.'

export async function benchConsumers({ messages }: { messages: number }): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack()
  const program = findProgram('nats')
  const queues = [await openGatewayQueue(resources)]
  if (program !== undefined) queues.push(await openJetStreamQueue(resources, program))
  const rows: BenchRow[] = []
  let settled = 0
  for (const round of ['', 'again, after']) {
    for (const workers of [1, 8]) {
      const values: Record<string, number> = {}
      const clientLoads: Record<string, number> = {}
      for (const queue of queues) {
        const { rate, clientLoad } = await rateOf(queue, workers, messages)
        values[queue.label] = rate
        clientLoads[queue.label] = clientLoad
      }
      const when = round === '' ? '' : `, ${round} ${settled} were settled`
      const what = `${workers} worker${workers === 1 ? '' : 's'}${when}`
      rows.push(...compared(what, 'messages/s', values), ...loads(what, clientLoads))
      settled += round === '' ? messages : 0
    }
  }
  rows.push(...(await redeliveries(queues)))
  const name = `consumers, ${payload.length} bytes, each message acknowledged by itself, with an fsync`
  return { name, rows, notes: program === undefined ? missingPrograms(['nats']) : [jetStreamNote] }
}

async function rateOf(queue: WorkQueue, workers: number, messages: number): Promise<{ rate: number; clientLoad: number }> {
  await queue.publish(messages)
  const client = process.cpuUsage()
  const start = performance.now()
  await queue.settle(workers, messages)
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(client)
  return { rate: messages / (ms / 1_000), clientLoad: (user + system) / 1_000 / ms }
}

async function redeliveries(queues: WorkQueue[]): Promise<BenchRow[]> {
  const times: Record<string, number[]> = {}
  for (const queue of queues) {
    await queue.publish(1)
    const own: number[] = []
    while (own.length < queue.redeliveries) own.push(await queue.redeliver())
    times[`${queue.label}${queue.redelivery}`] = own
  }
  return [0.5, 0.99].flatMap((share) =>
    compared(
      `to another worker when one leaves, p${share * 100}`,
      'ms',
      Object.fromEntries(Object.entries(times).map(([label, own]) => [label, percentile(own, share)])),
    ),
  )
}

/** A row for each; the first is compared with the others. */
function compared(what: string, unit: string, values: Record<string, number>): BenchRow[] {
  const [own, ...others] = Object.entries(values)
  return Object.entries(values).map(([label, value]) => ({
    label: `${what}: ${label}`,
    value,
    unit,
    ...(label === own?.[0] && others.length > 0 && { besides: others.map(([name, other]) => ({ name, ratio: value / other })) }),
  }))
}

/** At a whole core the client would be what is measured. */
function loads(what: string, shares: Record<string, number>): BenchRow[] {
  return Object.entries(shares).map(([label, share]) => ({
    label: `${what}: ${label}, load of the client, of one core`,
    value: share * 100,
    unit: '%',
  }))
}
