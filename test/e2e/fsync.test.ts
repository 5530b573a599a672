import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const hasStrace = spawnSync('strace', ['-V']).status === 0

/** What the trace tells of a publish: the log was written, it was forced to the disk, the client was told. */
type Step = 'write' | 'sync' | 'acknowledge'

function stepOf(line: string): Step | undefined {
  if (/\bpwrite64\(\d+<[^>]*peergate\.db-wal>/.test(line)) return 'write'
  if (/\bf(data)?sync\(\d+<[^>]*peergate\.db-wal>/.test(line)) return 'sync'
  if (/\bwritev?\(.*HTTP\/1\.1 201/.test(line)) return 'acknowledge'
  return undefined
}

// Only strace sees system calls; the gate installs it, another machine may not have it.
test.skipIf(!hasStrace)('an fsync of the log lies between each append and its 201 (needs strace)', async () => {
  const directory = await temporaryDirectory()
  const trace = join(directory, 'trace')
  const calls = 'trace=pwrite64,fsync,fdatasync,write,writev'
  const gateway = await gatewayForTest(quietEnvironment(join(directory, 'data')), [
    'strace',
    '-D',
    '-f',
    '-y',
    '-s',
    '40',
    '-e',
    calls,
    '-o',
    trace,
  ])
  const rest = createRest(gateway.url)
  await rest.call('PUT', '/v1/topics/orders')
  const publishes = 20
  for (let number = 0; number < publishes; number++) await rest.publish('orders', `message ${number}`)
  await gateway.end('SIGTERM')

  const steps = (await readFile(trace, 'utf8'))
    .split('\n')
    .map(stepOf)
    .filter((step) => step !== undefined)
  // The topic's PUT is the first 201; each later one has its own append since the one before.
  const rounds = steps
    .join(' ')
    .split('acknowledge')
    .slice(1, publishes + 1)
  expect(rounds).toHaveLength(publishes)
  for (const round of rounds) expect(round).toMatch(/write (.*)sync/)
  for (const round of rounds) expect(round.trim().endsWith('sync')).toBe(true)
})
