import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Programs that the gateway is measured beside, where they are installed. */
export const programs = {
  nats: { file: 'nats-server', from: 'go install github.com/nats-io/nats-server/v2@latest' },
  redis: { file: 'redis-server', from: 'apt install redis-server' },
  centrifugo: { file: 'centrifugo', from: 'go install github.com/centrifugal/centrifugo/v6@latest' },
  mosquitto: { file: 'mosquitto', from: 'apt install mosquitto' },
  kubo: { file: 'ipfs', from: 'go install github.com/ipfs/kubo/cmd/ipfs@latest' },
} as const

export type ProgramName = keyof typeof programs

/** Directories to look in before those of PATH. */
const directoriesVariable = 'PEERGATE_BENCH_PROGRAMS'

/** Its path, when it is installed. */
export function findProgram(name: ProgramName): string | undefined {
  const searched = [process.env[directoriesVariable], process.env['PATH'], '/usr/sbin'].flatMap((list) => list?.split(delimiter) ?? [])
  return searched.map((directory) => join(directory, programs[name].file)).find(existsSync)
}

export const programNames = ['nats', 'redis', 'centrifugo', 'mosquitto', 'kubo'] as const satisfies ProgramName[]

/** A line for each program that is not installed: how to get it. */
export function missingPrograms(names: readonly ProgramName[] = programNames): string[] {
  return names
    .filter((name) => findProgram(name) === undefined)
    .map((name) => {
      const { file, from } = programs[name]
      return `${name} was not measured: \`${file}\` is neither in ${directoriesVariable} nor in PATH. To get it: \`${from}\``
    })
}

export interface ProgramInit {
  program: string
  args: string[]
  env?: Record<string, string>
  /** Where it listens on this host when it has started. */
  port: number
}

const patienceMs = 30_000

/** Starts a program, which ends with the resources. @returns its process id @throws Error with its output when it ends */
export async function startProgram(resources: AsyncDisposableStack, { program, args, env = {}, port }: ProgramInit): Promise<number> {
  const child = spawn(program, args, { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => output.splice(0, output.length - 20, String(text)))
  const closed = once(child, 'close')
  resources.defer(async () => {
    child.kill('SIGTERM')
    await closed
  })
  for (const deadline = performance.now() + patienceMs; !(await listens(port)); await sleep(50)) {
    if (child.exitCode === null && performance.now() < deadline) continue
    throw new Error(`${program} does not listen on port ${port}:\n${output.join('')}`)
  }
  return child.pid ?? 0
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
