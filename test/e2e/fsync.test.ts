import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { DeliveryView } from '../../src/model/delivery.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { gatewayProgram } from '../fixtures/gateway-program.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { runProgram } from '../fixtures/program.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const hasStrace = spawnSync('strace', ['-V']).status === 0

/** What the trace tells of a publish: the log was written, it was forced to the disk, the client was told. */
type Step = 'write' | 'sync' | 'acknowledge'

function stepOf(line: string): Step | undefined {
  if (/\bpwrite64\(\d+<[^>]*peergate\.db-wal>/.test(line)) return 'write'
  if (/\bf(data)?sync\(\d+<[^>]*peergate\.db-wal>/.test(line)) return 'sync'
  if (/\bwritev?\(.*(HTTP\/1\.1 20[12]|published)/.test(line)) return 'acknowledge'
  return undefined
}

interface Moment {
  /** Seconds of the machine's clock: moments of several processes can be put in order. */
  at: number
  step: Step
}

/** A gateway whose system calls are written down; ends it and answers its steps. */
async function traced(init: { env?: Record<string, string>; strace?: string[] } = {}) {
  const directory = await temporaryDirectory()
  const trace = join(directory, 'trace')
  const calls = 'trace=pwrite64,fsync,fdatasync,write,writev'
  const strace = ['strace', '-D', '-f', '-y', '-ttt', '-s', '64', '-e', calls, ...(init.strace ?? []), '-o', trace]
  const gateway = await gatewayForTest({ ...quietEnvironment(join(directory, 'data')), ...init.env }, strace)
  async function moments(): Promise<Moment[]> {
    await gateway.end('SIGTERM')
    return (await readFile(trace, 'utf8')).split('\n').flatMap((line) => {
      const step = stepOf(line)
      return step === undefined ? [] : { at: Number(line.split(/\s+/)[1]), step }
    })
  }
  return {
    gateway,
    rest: createRest(gateway.url),
    moments,
    steps: async (): Promise<Step[]> => (await moments()).map(({ step }) => step),
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

test.skipIf(!hasStrace)('an fsync of the log lies between each append and its `published` (needs strace)', async () => {
  const { gateway, steps } = await traced()
  await using client = await openStream(gateway.url)
  const publishes = 20
  for (let number = 0; number < publishes; number++) {
    client.send({ type: 'publish', id: `${number}`, topic: 'orders', data: `message ${number}` })
    await client.expect('published', ({ id }) => id === `${number}`)
  }
  const rounds = (await steps()).join(' ').split('acknowledge').slice(1, publishes)
  expect(rounds).toHaveLength(publishes - 1)
  for (const round of rounds) expect(round.trim()).toMatch(/write (.*)sync$/)
})

test.skipIf(!hasStrace)('a direct message is synced by its recipient before it is acknowledged to its sender (needs strace)', async () => {
  // A sync of the recipient that came after its acknowledgement would be seen after `delivered`: it is held up for so long.
  const holdUp = ['-e', 'inject=fdatasync:delay_enter=100ms']
  const recipient = await traced({ strace: holdUp })
  const sender = await gatewayForTest({
    ...quietEnvironment(await temporaryDirectory()),
    PEERGATE_BOOTSTRAP: recipient.gateway.multiaddrs.join(','),
  })
  await using client = await openStream(sender.url)
  client.send({ type: 'subscribe', id: 'watch', deliveries: true })
  const moments: Array<{ at: number; step: Step | 'delivered' }> = []
  client.socket.on('message', (raw) => {
    const frame = JSON.parse(raw.toString())
    if (frame.type === 'delivery' && frame.delivery.state === 'delivered') moments.push({ at: Date.now() / 1_000, step: 'delivered' })
  })
  const sends = 10
  for (let number = 0; number < sends; number++) {
    const path = `/v1/peers/${recipient.gateway.peerId}/messages`
    const { status, body } = await createRest(sender.url).call<DeliveryView>('POST', path, { data: `message ${number}` })
    expect(status).toBe(202)
    await client.expect('delivery', ({ delivery }) => delivery.id === body.id && delivery.state === 'delivered')
  }
  moments.push(...(await recipient.moments()))
  const rounds = moments
    .sort((a, b) => a.at - b.at)
    .map(({ step }) => step)
    .join(' ')
    .split('delivered')
    .slice(0, sends)
  for (const round of rounds) expect(round.trim()).toMatch(/write (.*)sync/)
})

test.skipIf(!hasStrace)('a gateway whose disk fails at an fsync acknowledges nothing more, and ends (needs strace)', async () => {
  const directory = await temporaryDirectory()
  const env = quietEnvironment(directory)
  const start = await gatewayForTest(env)
  const kept = await createRest(start.url).publish('orders', 'kept')
  await start.end('SIGTERM')
  const failing = ['strace', '-D', '-f', '-o', '/dev/null', '-e', 'inject=fdatasync:error=EIO:when=20+']
  const gateway = await gatewayForTest(env, failing)
  const rest = createRest(gateway.url)
  const ended = once(gateway.child, 'exit')
  const acknowledged = [kept]
  const untilRefused = async () => {
    for (;;) acknowledged.push(await rest.publish('orders', 'more'))
  }
  await expect(untilRefused()).rejects.toThrow()
  expect((await ended)[0]).toBe(1)
  expect(gateway.lines.join('\n')).toContain('the disk of the database has failed')
  expect(acknowledged.length).toBeGreaterThan(1)
  const again = await gatewayForTest(env)
  const stored = await createRest(again.url).history('topic=orders')
  expect(stored).toEqual(expect.arrayContaining(acknowledged.map(({ id, cursor }) => expect.objectContaining({ id, cursor }))))
})

test.skipIf(!hasStrace)(
  'a restored database has its name after its bytes are synced, and no WAL of before beside it (needs strace)',
  async () => {
    const directory = await temporaryDirectory()
    const dataDir = join(directory, 'data')
    const gateway = await gatewayForTest(quietEnvironment(dataDir))
    await createRest(gateway.url).publish('orders', 'kept')
    const env = { ...process.env, PEERGATE_DATA_DIR: dataDir }
    const backup = join(directory, 'backup.db')
    await runProgram(process.execPath, [gatewayProgram('peergate'), 'database', 'backup', backup], { env })
    await gateway.end('SIGKILL')
    const trace = join(directory, 'trace')
    const strace = ['-f', '-y', '-e', 'trace=fsync,rename,unlink', '-o', trace]
    await runProgram('strace', [...strace, process.execPath, gatewayProgram('peergate'), 'database', 'restore', backup], { env })
    const calls = (await readFile(trace, 'utf8')).split('\n').flatMap((line) => /(?:fsync|rename|unlink)\(.*\) = 0$/.exec(line)?.[0] ?? [])
    const about = calls.map((call) =>
      call
        .replaceAll(/\d+</g, '<')
        .replaceAll(dataDir, 'data')
        .replace(/"data[^"]*", /, ''),
    )
    const start = about.findIndex((call) => call.includes('peergate.db.incoming'))
    expect(about.slice(start, start + 6)).toEqual([
      'fsync(<data/peergate.db.incoming>) = 0',
      'unlink("data/peergate.db-wal") = 0',
      'unlink("data/peergate.db-shm") = 0',
      'fsync(<data>) = 0',
      'rename("data/peergate.db") = 0',
      'fsync(<data>) = 0',
    ])
  },
)
