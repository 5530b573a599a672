import { setTimeout as sleep } from 'node:timers/promises'
import { type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { residentMiB } from '../test/fixtures/resident-memory.ts'
import { benchEnvironment } from './environment.ts'
import { processorSeconds } from './processor-time.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * What joined topics cost: two linked gateways that both join the same topics, and two of which only one does. Times of
 * the processor are those of the process, so that another load of the machine does not count.
 */

const counts = (process.env['PEERGATE_BENCH_TOPICS'] ?? '0,1000,10000').split(',').map(Number)
const idleMs = Number(process.env['PEERGATE_BENCH_IDLE_MS'] ?? 120_000)
/** After the last join or start, before the idle time is measured. */
const settleMs = Number(process.env['PEERGATE_BENCH_SETTLE_MS'] ?? 60_000)
const lanes = 8

export async function benchJoinedTopics(): Promise<BenchResult> {
  const rows: BenchRow[] = []
  for (const count of counts) {
    rows.push(...(await measure(count, { both: true })))
    if (count > 0) rows.push(...(await measure(count, { both: false })))
  }
  return { name: 'joined topics', rows }
}

async function measure(count: number, { both }: { both: boolean }): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const label = count === 0 ? 'no topics' : `${count} topics of ${both ? 'both gateways' : 'one gateway'}`
  const rows: BenchRow[] = []
  const add = (what: string, value: number, unit: string) => rows.push({ label: `${label}: ${what}`, value, unit })
  const start = async (environment: Record<string, string>) =>
    resources.adopt(await startGateway(environment), async (gateway) => void (await gateway.end('SIGKILL')))

  const a = await start({ ...benchEnvironment(await temporaryDirectory(resources)) })
  const ofB = { ...benchEnvironment(await temporaryDirectory(resources)), PEERGATE_BOOTSTRAP: a.multiaddrs.join() }
  let b = await start(ofB)
  const joining = performance.now()
  const before = await secondsOf(a)
  await Promise.all([joinAll(a, count), both && joinAll(b, count)])
  if (count > 0) {
    add('joins of one', (performance.now() - joining) / 1_000, 's')
    add('joins of one, processor', (await secondsOf(a)) - before, 's')
    await known(a, b, count, both)
    add('until the neighbour knows all, from the first join', (performance.now() - joining) / 1_000, 's')
  }
  await sleep(settleMs)
  await idle('', a, b)
  if (!both || count === 0) return rows

  await b.end('SIGTERM')
  const restarted = performance.now()
  b = await start(ofB)
  await ready(b)
  add('until a restarted gateway is ready', (performance.now() - restarted) / 1_000, 's')
  await known(a, b, count, both)
  add('until both know all, from the restart', (performance.now() - restarted) / 1_000, 's')
  add('from the restart until then, processor', await secondsOf(b), 's')
  await sleep(settleMs)
  await idle(' after the restart', a, b)
  return rows

  async function idle(when: string, ...gateways: GatewayProcess[]): Promise<void> {
    const began = await Promise.all(gateways.map(secondsOf))
    const from = performance.now()
    await sleep(idleMs)
    const minutes = (performance.now() - from) / 60_000
    for (const [index, gateway] of gateways.entries()) {
      const name = index === 0 ? 'the first' : 'its neighbour'
      add(`${name}, idle${when}`, ((await secondsOf(gateway)) - (began[index] ?? 0)) / minutes, 's of the processor a minute')
      add(`${name}, memory${when}`, await residentMiB(gateway.child.pid ?? 0), 'MiB')
    }
  }
}

async function joinAll({ url }: GatewayProcess, count: number): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) {
      const response = await fetch(`${url}/v1/topics/${nameOf(next++)}`, { method: 'PUT' })
      if (response.status !== 201) throw new Error(`a join answered ${response.status}: ${await response.text()}`)
      await response.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** Resolves when each gateway knows that the other has joined all topics. */
async function known(a: GatewayProcess, b: GatewayProcess, count: number, both: boolean): Promise<void> {
  await knowsAll(b, a, count)
  if (both) await knowsAll(a, b, count)
}

/** Asks for the last topics first, which are told last. */
async function knowsAll(knower: GatewayProcess, _joiner: GatewayProcess, count: number): Promise<void> {
  for (let number = count - 1; number >= 0; number -= Math.max(1, Math.floor(count / 100))) {
    while ((await subscribersOf(knower, nameOf(number))) === 0) await sleep(50)
  }
}

async function subscribersOf({ url }: GatewayProcess, topic: string): Promise<number> {
  const response = await fetch(`${url}/v1/peers?topic=${topic}&limit=1`)
  const { items }: { items: unknown[] } = JSON.parse(await response.text())
  return items.length
}

async function ready({ url }: GatewayProcess): Promise<void> {
  while ((await fetch(`${url}/readyz`)).status !== 200) await sleep(20)
}

async function secondsOf({ child }: GatewayProcess): Promise<number> {
  return await processorSeconds(child.pid ?? 0)
}

function nameOf(number: number): string {
  return `joined.topic.${String(number).padStart(5, '0')}`
}
