import { expect, test, vi } from 'vitest'
import type { P2PEngine } from '../../src/engine/engine.ts'
import type { Peer } from '../../src/model/peer.ts'
import { startedCustomEngine } from '../fixtures/custom-engine.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/**
 * The relay runs in this process, whose every byte within the encryption of a link is recorded; the gateways that
 * exchange something through it are other processes.
 */
const seen = vi.hoisted(() => [] as Buffer[])

/** What the custom engine encrypts and decrypts, recorded. */
vi.mock('../../src/engine/custom/noise/aead.ts', async (importOriginal) => {
  const aead = await importOriginal<typeof import('../../src/engine/custom/noise/aead.ts')>()
  return {
    ...aead,
    createAead(key: Uint8Array) {
      const { seal, open } = aead.createAead(key)
      const recording: ReturnType<typeof aead.createAead> = {
        seal(nonce, plaintext, associatedData) {
          seen.push(Buffer.from(plaintext))
          return seal(nonce, plaintext, associatedData)
        },
        open(nonce, ciphertext, associatedData) {
          const plaintext = open(nonce, ciphertext, associatedData)
          if (plaintext !== undefined) seen.push(Buffer.from(plaintext))
          return plaintext
        },
      }
      return recording
    },
  }
})

/** What the muxer of libp2p reads and writes, recorded. */
vi.mock('../../src/engine/libp2p/transport/bounded-muxer.ts', async (importOriginal) => {
  const muxer = await importOriginal<typeof import('../../src/engine/libp2p/transport/bounded-muxer.ts')>()
  const boundMuxer: typeof muxer.boundMuxer = (factory, ...rest) => {
    const { createStreamMuxer } = factory
    factory.createStreamMuxer = (connection) => {
      const { send } = connection
      connection.send = (data) => {
        seen.push(Buffer.from(data.subarray()))
        return send.call(connection, data)
      }
      connection.addEventListener('message', ({ data }) => void seen.push(Buffer.from(data.subarray())))
      return createStreamMuxer.call(factory, connection)
    }
    return muxer.boundMuxer(factory, ...rest)
  }
  return { ...muxer, boundMuxer }
})

const engines: Record<EngineName, (options: { relay: boolean }) => Promise<P2PEngine>> = {
  custom: startedCustomEngine,
  libp2p: startedLibp2pEngine,
}

async function hiddenGateway(engine: EngineName, relay: string) {
  const gateway = await gatewayForTest({
    ...quietEnvironment(await temporaryDirectory(), engine),
    PEERGATE_LISTEN: '/p2p-circuit',
    PEERGATE_BOOTSTRAP: relay,
  })
  return { ...gateway, rest: createRest(gateway.url) }
}

for (const [engine, start] of Object.entries(engines) as [EngineName, (typeof engines)[EngineName]][]) {
  test(`a relay sees neither the messages nor the requests that pass it, nor their answers (${engine})`, async () => {
    seen.length = 0
    const relay = await start({ relay: true })
    const [address = ''] = await relay.multiaddrs()
    await relay.subscribe('told to the relay')
    const [here, there] = await Promise.all([hiddenGateway(engine, address), hiddenGateway(engine, address)])
    const ownAddresses = async () => (await there.rest.get<{ multiaddrs: string[] }>('/v1/node')).multiaddrs
    await expect.poll(ownAddresses).not.toEqual([])
    const [circuit] = await ownAddresses()
    expect((await here.rest.call('POST', '/v1/peers', { multiaddr: circuit })).status).toBeLessThan(300)
    const service = await openStream(there.url)
    service.send({ type: 'serve', service: 'secrets' })
    await service.expect('serving')
    await there.rest.call('PUT', '/v1/topics/secrets', {})
    const subscribers = async (topic: string) =>
      (await here.rest.get<{ items: Peer[] }>(`/v1/peers?topic=${encodeURIComponent(topic)}&state=connected`)).items.map(
        ({ peerId }) => peerId,
      )
    await expect.poll(() => subscribers('secrets')).toEqual([there.peerId])
    await expect.poll(() => subscribers('told to the relay')).toContain(relay.peerId)

    await here.rest.publish('secrets', 'plaintext of a message')
    await expect.poll(async () => (await there.rest.history('topic=secrets')).map(({ data }) => data)).toEqual(['plaintext of a message'])
    const answer = here.rest.call('POST', `/v1/peers/${there.peerId}/requests/secrets`, { data: 'plaintext of a request' })
    const { requestId, data } = await service.expect('request')
    expect(data).toBe('plaintext of a request')
    service.send({ type: 'reply', requestId, data: 'plaintext of an answer' })
    expect(await answer).toMatchObject({ status: 200, body: { data: 'plaintext of an answer' } })
    expect(await here.rest.get(`/v1/peers/${there.peerId}`)).toMatchObject({ path: 'relay', via: relay.peerId })
    // What is told to the relay itself is recorded.
    await here.rest.publish('told to the relay', 'plaintext to the relay')
    const isSeen = (text: string) => Buffer.concat(seen).includes(text)
    await expect.poll(() => isSeen('plaintext to the relay')).toBe(true)
    service.socket.terminate()

    for (const text of ['plaintext of a message', 'plaintext of a request', 'plaintext of an answer']) expect(isSeen(text)).toBe(false)
    expect(relay.networks[0]?.reachCounts.circuitBytes).toBeGreaterThan(0)
  })
}
