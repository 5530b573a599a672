import { delegatedRoutingV1HttpApiClient } from '@helia/delegated-routing-v1-http-api-client'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { createIPNSRecord, marshalIPNSRecord, unmarshalIPNSRecord } from 'ipns'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { createDht } from '../../../src/dht/dht.ts'
import { defaultLimits } from '../../../src/limits.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { appForTest } from '../../http/app-for-test.ts'

const value = CID.parse('bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4')
const ipnsType = 'application/vnd.ipfs.ipns-record'

test('a provider that is known with and without its id in its addresses is listed with each of them once', async () => {
  const [engine, other] = [await startedLibp2pEngine({ dialOwnHost: true }), await startedLibp2pEngine({ dialOwnHost: true })]
  await engine.dial((await other.multiaddrs())[0] ?? '', { source: 'rest', signal: AbortSignal.timeout(10_000) })
  const signal = AbortSignal.timeout(60_000)
  await expect.poll(() => other.routing.provide(value.toString(), { signal }).then(() => 'provided', String)).toBe('provided')
  // The request that provides has no answer (kad-dht, ADD_PROVIDER): it may not be stored yet.
  const find = () => Array.fromAsync(engine.routing.findProviders(value.toString(), { signal }))
  await expect.poll(async () => (await find()).map(({ peerId }) => peerId)).toEqual([other.peerId])
  const [found] = await find()
  expect(found?.multiaddrs).toEqual([...new Set(found?.multiaddrs)])
})

test("Helia's client publishes and resolves a name through the gateway", async () => {
  const engine = await startedLibp2pEngine({ dialOwnHost: true })
  const other = await startedLibp2pEngine({ dialOwnHost: true })
  await engine.dial((await other.multiaddrs())[0] ?? '', { source: 'rest', signal: AbortSignal.timeout(10_000) })
  const dht = createDht({ limits: defaultLimits, peerId: engine.peerId }, { routing: engine.routing })
  const { app } = await appForTest({ components: { dht } })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const url = `http://127.0.0.1:${address.port}`
  const helia = delegatedRoutingV1HttpApiClient({ url, cacheTTL: 0 })({ logger: defaultLogger() })

  const key = await generateKeyPair('Ed25519')
  const name = peerIdFromPublicKey(key.publicKey).toCID()
  await expect(helia.getIPNS(name)).rejects.toThrow()
  const record = await createIPNSRecord(key, value, 2n, 3_600_000, { ttlNs: 90_000_000_000n })
  await expect.poll(() => helia.putIPNS(name, marshalIPNSRecord(record)).then(() => 'published', String)).toBe('published')
  expect(unmarshalIPNSRecord(await helia.getIPNS(name))).toMatchObject({ value: `/ipfs/${value}`, sequence: 2n })

  const path = `${url}/routing/v1/ipns/${name}`
  const answer = await fetch(path, { headers: { accept: ipnsType } })
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from(marshalIPNSRecord(record)))
  expect(answer.headers.get('cache-control')).toMatch(/^private, max-age=90, stale-while-revalidate=3\d{3}, stale-if-error=3\d{3}$/)
  expect(answer.headers.get('expires')).toBe(new Date(record.validity).toUTCString())
  const etag = answer.headers.get('etag') ?? ''
  expect((await fetch(path, { headers: { accept: ipnsType, 'if-none-match': etag } })).status).toBe(304)

  const put = (body: Uint8Array) => fetch(path, { method: 'PUT', headers: { 'content-type': ipnsType }, body })
  const forged = await createIPNSRecord(await generateKeyPair('Ed25519'), value, 3n, 3_600_000)
  const older = await createIPNSRecord(key, value, 1n, 3_600_000)
  expect([(await put(marshalIPNSRecord(forged))).status, (await put(Buffer.from('no record'))).status]).toEqual([400, 400])
  expect((await put(marshalIPNSRecord(older))).status).toBe(409)
  expect(unmarshalIPNSRecord(await helia.getIPNS(name))).toMatchObject({ sequence: 2n })
  const nobody = await fetch(
    path.replace(
      name.toString(),
      peerIdFromPublicKey((await generateKeyPair('Ed25519')).publicKey)
        .toCID()
        .toString(),
    ),
    {
      headers: { accept: ipnsType },
    },
  )
  expect([nobody.status, nobody.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8'])
})
