import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** What figures depend on. */
export interface Machine {
  command: string
  /** When the run began, in ISO 8601. */
  at: string
  /** The commit, and whether files differ from it. */
  commit: string
  processors: number
  model: string
  /** Processes that wanted a processor in the minute before the run. */
  load: number
  memoryGiB: number
  system: string
  node: string
  /** Milliseconds until 4 KiB are on the disk of the databases: the median, and the 99th percentile. */
  fsyncMs: { p50: number; p99: number }
}

const fsyncs = 200

export async function describeMachine(command: string): Promise<Machine> {
  return {
    command,
    at: new Date().toISOString(),
    commit: await commit(),
    processors: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    load: loadavg()[0] ?? Number.NaN,
    memoryGiB: totalmem() / 1_024 ** 3,
    system: `${type()} ${release()}`,
    node: process.version,
    fsyncMs: await fsyncTimes(),
  }
}

async function commit(): Promise<string> {
  const git = async (...args: string[]) => (await promisify(execFile)('git', args, { cwd: import.meta.dirname })).stdout.trim()
  const isChanged = (await git('status', '--porcelain')) !== ''
  return `${await git('rev-parse', '--short', 'HEAD')}${isChanged ? ', with changes' : ''}`
}

async function fsyncTimes(): Promise<Machine['fsyncMs']> {
  await using resources = new AsyncDisposableStack()
  const directory = await temporaryDirectory(resources)
  await using file = await open(join(directory, 'file'), 'w')
  const block = Buffer.alloc(4_096, 'x')
  const times: number[] = []
  while (times.length < fsyncs) {
    const start = performance.now()
    await file.write(block)
    await file.datasync()
    times.push(performance.now() - start)
  }
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) }
}
