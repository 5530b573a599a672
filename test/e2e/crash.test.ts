import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseCursor } from '../../src/model/cursor.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest, type Published } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

/** On each engine. */
const rounds = byLength({ gate: 10, full: 25 })
const engines = ['custom', 'libp2p'] as const
const publishers = 8

/** Publishes until the gateway dies; notes what was acknowledged. */
async function publishUntilDeath(url: string, name: string, acknowledged: Published[], onFirst: () => void): Promise<void> {
  const rest = createRest(url)
  for (let number = 0; ; number++) {
    try {
      acknowledged.push(await rest.publish('orders', `${name}/${number}`))
      onFirst()
    } catch {
      return
    }
  }
}

test.each(engines)(
  `nothing acknowledged is lost in ${rounds} crashes under load, nor on a gateway that stayed up (%s)`,
  async (engine) => {
    const random = createRandom(20_261_123)
    const directory = await temporaryDirectory()
    const survivor = await gatewayForTest(quietEnvironment(join(directory, 'survivor'), engine))
    await createRest(survivor.url).call('PUT', '/v1/topics/orders')
    const environment = { ...quietEnvironment(join(directory, 'crashing'), engine), PEERGATE_BOOTSTRAP: survivor.multiaddrs.join(',') }
    const acknowledged: Published[] = []

    for (let round = 0; round < rounds; round++) {
      const gateway = await startGateway(environment)
      onTestFinished(async () => {
        await gateway.end('SIGKILL')
      })
      const under = Promise.withResolvers<void>()
      const load = Array.from({ length: publishers }, (_, index) =>
        publishUntilDeath(gateway.url, `${round}/${index}`, acknowledged, under.resolve),
      )
      await under.promise
      // A random moment under load is what this test is about: between the first acknowledgement and 300 ms after it.
      await new Promise((resolve) => setTimeout(resolve, random.below(300)))
      await gateway.end('SIGKILL')
      await Promise.all(load)
    }

    const reopened = await gatewayForTest(environment)
    const log = await createRest(reopened.url).history('topic=orders')
    const stored = new Map(log.map((message) => [message.id, message.cursor]))
    const lost = acknowledged.filter(({ id, cursor }) => stored.get(id) !== cursor)
    expect(lost).toEqual([])
    expect(acknowledged.length).toBeGreaterThan(rounds)

    const seqs = log.map(({ cursor }) => parseCursor(cursor).seq)
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b))
    expect(new Set(log.map(({ cursor }) => parseCursor(cursor).epoch)).size).toBe(1)
    const sequences = log.map(({ sequence }) => BigInt(sequence))
    expect(sequences.every((sequence, index) => index === 0 || sequence > (sequences[index - 1] ?? sequence))).toBe(true)

    await expect
      .poll(
        async () => {
          const there = new Set((await createRest(survivor.url).history('topic=orders')).map(({ id }) => id))
          return acknowledged.filter(({ id }) => !there.has(id)).length
        },
        { timeout: 60_000, interval: 1_000 },
      )
      .toBe(0)
  },
  600_000,
)
