import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from '../scripts/build.ts'
import { type EngineName, quietEnvironment } from '../test/fixtures/gateway-process.ts'
import { residentMiB } from '../test/fixtures/resident-memory.ts'
import { processorSeconds } from './processor-time.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * (w) The start of a gateway as the package has it, on a database that exists and with what an earlier start compiled: the
 * processor's time and the time until it listens, and resident memory when it has been idle for ten seconds. Beside it, in
 * the same run: Node.js and Fastify with a server each.
 */

const runs = 5
const idleMs = 10_000

const root = join(import.meta.dirname, '..')
/** Not below `node_modules`, where Node would have to find out of each file that it is a module. */
const buildDirectory = join(root, '.cache/bench')
const compileCache = join(buildDirectory, 'compiled')

const node = `require('node:http').createServer().listen(0, '127.0.0.1', () => console.log('listening'))`
const fastify = `require('fastify')().listen({ host: '127.0.0.1', port: 0 }).then(() => console.log('listening'))`

export async function benchStart(): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack()
  await build(buildDirectory)
  const directory = await temporaryDirectory(resources)
  const gateway = (engine: EngineName) => [[join(buildDirectory, 'main.js')], quietEnvironment(join(directory, engine), engine)] as const
  return {
    name: '(w) start, and memory when idle',
    rows: [
      ...(await rowsOf('Node.js', ['-e', node])),
      ...(await rowsOf('Fastify', ['-e', fastify])),
      ...(await rowsOf('custom engine', ...gateway('custom'))),
      ...(await rowsOf('libp2p engine', ...gateway('libp2p'))),
    ],
  }
}

async function rowsOf(label: string, args: readonly string[], env: Record<string, string> = {}): Promise<BenchRow[]> {
  await start(args, env, 0)
  const starts: Start[] = []
  for (let run = 0; run < runs; run++) starts.push(await start(args, env, run === 0 ? idleMs : 0))
  return [
    {
      label: `${label}: processor`,
      value: percentile(
        starts.map(({ cpuMs }) => cpuMs),
        0.5,
      ),
      unit: 'ms',
    },
    {
      label: `${label}: time`,
      value: percentile(
        starts.map(({ ms }) => ms),
        0.5,
      ),
      unit: 'ms',
    },
    { label: `${label}: memory`, value: starts[0]?.idleMiB ?? 0, unit: 'MiB' },
  ]
}

interface Start {
  cpuMs: number
  ms: number
  idleMiB: number
}

/** Starts a program, which writes a line with `listening`, and ends it after `idleMs` more. */
async function start(args: readonly string[], env: Record<string, string>, idleMs: number): Promise<Start> {
  const begun = performance.now()
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const pid = child.pid ?? 0
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('listening')) break
  child.stdout.resume()
  const ms = performance.now() - begun
  const cpuMs = (await processorSeconds(pid)) * 1_000
  await sleep(idleMs)
  const idleMiB = await residentMiB(pid)
  child.kill('SIGTERM')
  await closed
  return { cpuMs, ms, idleMiB }
}
