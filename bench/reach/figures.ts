import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { EngineName } from '../../test/fixtures/gateway-process.ts'
import { inside } from '../../test/fixtures/inside.ts'
import { natKinds, type RouterKind } from '../../test/fixtures/nat-kinds.ts'
import { startProgram } from '../../test/fixtures/program.ts'
import { createRoutedNetwork, publicAddress } from '../../test/fixtures/routed-network.ts'
import { directPath, type Pair, paths, startPair, startRelay } from '../../test/fixtures/routed-pair.ts'
import type { BenchRow } from '../result.ts'

type Kinds = readonly [RouterKind, RouterKind]

const topic = 'measured'
const engines: EngineName[] = ['custom', 'libp2p']
const pairs: Kinds[] = natKinds.flatMap((one, index) => natKinds.slice(index).map((other): Kinds => [one, other]))
/** Less than may wait for a slow peer (`maxPubsubBufferBytes`): what exceeds that is announced, and asked for later. */
const load = { messages: 200, bytes: 16_384 }

/** A reader at the first gateway, and `count` messages published at the second. Resolves when the last has arrived. */
async function deliver([first, second]: Pair, count: number, bytes: number): Promise<{ firstAt: number; lastAt: number }> {
  const { lines } = inside(first.under, 'receive', first.url, topic, `${count}`)
  // Without a subscriber of its own, a gateway does not take part in the topic that it publishes to.
  inside(second.under, 'receive', second.url, topic, '1')
  inside(second.under, 'publish', second.url, topic, `${count}`, `${bytes}`)
  await expect.poll(() => lines.length).toBeGreaterThan(1)
  const firstAt = performance.now()
  await expect.poll(() => lines.length).toBe(count + 1)
  return { firstAt, lastAt: performance.now() }
}

test.for(engines.flatMap((engine) => pairs.map((kinds) => ({ engine, kinds }))))(
  'time to the first message: $engine, $kinds.0 and $kinds.1',
  async ({ engine, kinds }, { task }) => {
    const network = await createRoutedNetwork([...kinds])
    const pair = await startPair(engine, network, [await startRelay(engine, network)])
    const begun = performance.now()
    const { firstAt } = await deliver(pair, 1, 1)
    const label = `${engine}, ${kinds.join(' and ')}: from the start of both until a message has arrived`
    task.meta.rows = [{ label, value: (firstAt - begun) / 1_000, unit: 's' }]
  },
)

const program = fileURLToPath(new URL('bare-stream.ts', import.meta.url))

/** Megabytes a second from the first host to the public network. */
async function bareRate(kind: RouterKind): Promise<number> {
  const { outside, hosts } = await createRoutedNetwork([kind])
  const run = ([command = '', ...under]: string[], ...args: string[]) =>
    startProgram(command, [...under, process.execPath, program, ...args])
  const { lines } = run(outside, 'receive')
  await expect.poll(() => lines).toEqual(['listening'])
  run(hosts[0] ?? [], 'send', publicAddress)
  await expect.poll(() => lines).toHaveLength(2)
  return Number(lines[1])
}

test.for(engines.flatMap((engine) => (['direct', 'relay'] as const).map((path) => ({ engine, path }))))(
  'throughput: $engine, $path',
  async ({ engine, path }, { task }) => {
    const kind = path === 'direct' ? 'port-restricted' : 'symmetric'
    const limit = await bareRate(kind)
    const network = await createRoutedNetwork([kind, kind])
    const pair = await startPair(engine, network, [await startRelay(engine, network)])
    const way = path === 'direct' ? directPath[engine] : 'relay'
    await expect.poll(() => paths(pair)).toEqual([way, way])
    const { firstAt, lastAt } = await deliver(pair, load.messages, load.bytes)
    expect(await paths(pair)).toEqual([way, way])
    const value = ((load.messages - 1) * load.bytes) / 1e3 / (lastAt - firstAt)
    const rows: BenchRow[] = [
      { label: `a bare TCP connection through a ${kind} router`, value: limit, unit: 'MB/s' },
      {
        label: `${engine}, ${path} between ${kind} routers: messages of ${load.bytes} bytes`,
        value,
        unit: 'MB/s',
        ofLimit: value / limit,
      },
    ]
    task.meta.rows = rows
  },
)
