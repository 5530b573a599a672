import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { expect, onTestFinished, test } from 'vitest'
import { DhtRefused } from '../../../src/errors.ts'
import { testRouting } from '../../compliance/routing.ts'
import { customEngine } from '../../fixtures/custom-engine.ts'

const createFull = () => customEngine({ dialOwnHost: true, limits: { maxDhtRecordsPerPeer: 0 } })

testRouting({
  create: () => customEngine({ dialOwnHost: true }),
  createWithout: () => customEngine({ dht: false }),
  createFull,
})

// Peers of libp2p do not answer whether they note who has something.
test('content whose provider no peer notes is refused, and can be told again', async () => {
  const [full, engine] = await Promise.all([createFull(), customEngine({ dialOwnHost: true })])
  for (const each of [full, engine]) {
    await each.start()
    onTestFinished(() => each.stop())
  }
  const [address = ''] = await full.multiaddrs()
  await engine.dial(address, { signal: AbortSignal.timeout(20_000), source: 'rest' })
  const cid = CID.createV1(raw.code, create(0x12, createHash('sha256').update('x').digest())).toString()
  const refusal = () => engine.routing.provide(cid, { signal: AbortSignal.timeout(20_000) }).catch((error: unknown) => error)
  await expect.poll(refusal).toBeInstanceOf(DhtRefused)
  expect(await refusal()).toMatchObject({ retryable: true })
})
