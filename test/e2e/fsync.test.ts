import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const hasStrace = spawnSync('strace', ['-V']).status === 0

/** What the trace tells of a publish: the log was written, it was forced to the disk, the client was told. */
type Step = 'write' | 'sync' | 'acknowledge'

function stepOf(line: string): Step | undefined {
  if (/\bpwrite64\(\d+<[^>]*peergate\.db-wal>/.test(line)) return 'write'
  if (/\bf(data)?sync\(\d+<[^>]*peergate\.db-wal>/.test(line)) return 'sync'
  if (/\bwritev?\(.*HTTP\/1\.1 20[12]/.test(line)) return 'acknowledge'
  return undefined
}

/** A gateway whose system calls are written down; ends it and answers its steps. */
async function traced() {
  const directory = await temporaryDirectory()
  const trace = join(directory, 'trace')
  const calls = 'trace=pwrite64,fsync,fdatasync,write,writev'
  const strace = ['strace', '-D', '-f', '-y', '-s', '40', '-e', calls, '-o', trace]
  const gateway = await gatewayForTest(quietEnvironment(join(directory, 'data')), strace)
  return {
    rest: createRest(gateway.url),
    async steps(): Promise<Step[]> {
      await gateway.end('SIGTERM')
      return (await readFile(trace, 'utf8')).split('\n').flatMap((line) => stepOf(line) ?? [])
    },
  }
}

// Only strace sees system calls; the gate installs it, another machine may not have it.
test.skipIf(!hasStrace)('an fsync of the log lies between each append and its 201 (needs strace)', async () => {
  const { rest, steps } = await traced()
  await rest.call('PUT', '/v1/topics/orders')
  const publishes = 20
  for (let number = 0; number < publishes; number++) await rest.publish('orders', `message ${number}`)
  // The topic's PUT is the first 201; each later one has its own append since the one before.
  const rounds = (await steps())
    .join(' ')
    .split('acknowledge')
    .slice(1, publishes + 1)
  expect(rounds).toHaveLength(publishes)
  for (const round of rounds) expect(round).toMatch(/write (.*)sync/)
  for (const round of rounds) expect(round.trim().endsWith('sync')).toBe(true)
})

test.skipIf(!hasStrace)(
  'a direct message that finds nobody is synced once, before its 202, and its attempts are not (needs strace)',
  async () => {
    const { rest, steps } = await traced()
    const sends = 20
    for (let number = 0; number < sends; number++) {
      const { peerId } = await createMemoryIdentity()
      expect((await rest.call('POST', `/v1/peers/${peerId}/messages`, { data: 'x' })).status).toBe(202)
      const tried = async () => (await rest.get<{ items: Array<{ attempts: number }> }>(`/v1/deliveries?to=${peerId}`)).items[0]?.attempts
      await expect.poll(tried).toBeGreaterThan(0)
    }
    const all = await steps()
    const rounds = all.join(' ').split('acknowledge').slice(1, sends)
    for (const round of rounds) expect(round).toMatch(/sync/)
    // A checkpoint syncs too, now and then.
    expect(all.filter((step) => step === 'sync').length).toBeLessThan(2 * sends)
  },
)
