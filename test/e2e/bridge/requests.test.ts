import { expect, onTestFinished, test } from 'vitest'
import type { DeliveryView } from '../../../src/model/delivery.ts'
import type { Peer } from '../../../src/model/peer.ts'
import { type MovingGateway, movingGateway } from '../../fixtures/moving-gateway.ts'
import { openStream } from '../../fixtures/stream-client.ts'

/** A gateway of each network, each linked to the bridge only. */
async function acrossBridge() {
  const quick = { PEERGATE_LAST_DELIVERY_RETRY_MS: '1000' }
  const [bridge, here, there] = [await movingGateway(), await movingGateway(quick), await movingGateway(quick)]
  await bridge.start('both')
  await here.start('custom', [bridge])
  await there.start('libp2p', [bridge])
  return { bridge, here, there }
}

/** A client that answers requests with who asked and what. */
async function serveEcho(gateway: MovingGateway): Promise<void> {
  const stream = await openStream(gateway.url)
  onTestFinished(() => stream.socket.terminate())
  stream.socket.on('message', (raw) => {
    const frame = JSON.parse(raw.toString())
    if (frame.type === 'request') stream.send({ type: 'reply', requestId: frame.requestId, data: `${frame.from} ${frame.data}` })
  })
  stream.send({ type: 'serve', service: 'echo' })
  await stream.expect('serving')
}

const ask = async (from: MovingGateway, to: MovingGateway, service = 'echo') =>
  await from.rest.call<{ data?: string; code?: string }>('POST', `/v1/peers/${to.peerId}/requests/${service}`, { data: 'hello' })

const peerAt = ({ rest }: MovingGateway, { peerId }: MovingGateway) => rest.get<Peer>(`/v1/peers/${peerId}`)

test('requests reach services of the other network, and the path to the peer is shown', async () => {
  const { bridge, here, there } = await acrossBridge()
  const pairs = [[here, there] as const, [there, here] as const]
  for (const gateway of [here, there, bridge]) await serveEcho(gateway)
  for (const [from, to] of pairs) {
    await expect.poll(async () => (await ask(from, to)).body.data, { timeout: 30_000 }).toBe(`${from.peerId} hello`)
    await expect
      .poll(() => peerAt(from, to))
      .toMatchObject({ state: 'known', networks: [], path: 'bridge', via: bridge.peerId, beyond: [] })
    await expect
      .poll(() => peerAt(from, bridge))
      .toMatchObject({ state: 'connected', path: expect.stringMatching(/^(tcp|websocket)$/), via: null })
    expect((await ask(from, bridge)).body.data).toBe(`${from.peerId} hello`)
    expect(await ask(from, to, 'nothing')).toMatchObject({ status: 404, body: { code: 'service_not_found' } })
  }
  const known = async () => (await here.rest.get<{ items: Peer[] }>('/v1/peers?state=known')).items
  await expect
    .poll(async () => (await known()).map(({ peerId, path }) => ({ peerId, path })))
    .toContainEqual({ peerId: there.peerId, path: 'bridge' })
  await bridge.end('SIGKILL')
  await expect.poll(async () => (await ask(here, there)).status, { timeout: 30_000 }).not.toBe(200)
})

test('a request whose bridge is killed before the answer ends with an error, begins once, and the next one is answered', async () => {
  const { bridge, here, there } = await acrossBridge()
  const begun: Array<{ requestId: string; data: string }> = []
  const stream = await openStream(there.url)
  onTestFinished(() => stream.socket.terminate())
  const answer = ({ requestId, data }: (typeof begun)[number]) => stream.send({ type: 'reply', requestId, data: `of ${data}` })
  stream.socket.on('message', (raw) => {
    const frame = JSON.parse(raw.toString())
    if (frame.type !== 'request') return
    begun.push(frame)
    if (frame.data !== 'killed') answer(frame)
  })
  stream.send({ type: 'serve', service: 'slow' })
  await stream.expect('serving')
  const asking = (data: string) =>
    here.rest.call<{ data?: string; code?: string; retryable?: boolean }>('POST', `/v1/peers/${there.peerId}/requests/slow`, { data })
  await expect.poll(async () => (await asking('first')).body.data, { timeout: 30_000 }).toBe('of first')
  const pending = asking('killed')
  await expect.poll(() => begun.map(({ data }) => data), { timeout: 30_000 }).toContain('killed')
  await bridge.end('SIGKILL')
  // It may have had effects: the client decides whether to ask once more.
  expect(await pending).toMatchObject({ status: 502, body: { code: 'service_gone', retryable: false } })
  // Nobody waits for this answer any longer.
  for (const request of begun.filter(({ data }) => data === 'killed')) answer(request)
  await bridge.start('both')
  await expect.poll(async () => (await asking('next')).body.data, { timeout: 60_000 }).toBe('of next')
  expect(begun.filter(({ data }) => data === 'killed')).toHaveLength(1)
  expect(begun.filter(({ data }) => data === 'next')).toHaveLength(1)
})

test('direct messages reach the other network once and in order, though the bridge is killed and comes back', async () => {
  const { bridge, here, there } = await acrossBridge()
  const sent: DeliveryView[] = []
  const send = async (text: string) => {
    const { status, body } = await here.rest.call<DeliveryView>('POST', `/v1/peers/${there.peerId}/messages`, { data: text })
    expect(status).toBe(202)
    sent.push(body)
  }
  const states = async () =>
    await Promise.all(sent.map(async ({ id }) => (await here.rest.get<DeliveryView>(`/v1/deliveries/${id}`)).state))
  const received = async () => (await there.rest.history('kind=direct')).map(({ from, data }) => `${from} ${data}`)
  const texts = Array.from({ length: 30 }, (_, number) => `message ${number}`)
  for (const text of texts.slice(0, 10)) await send(text)
  await expect.poll(async () => new Set(await states()), { timeout: 30_000 }).toEqual(new Set(['delivered']))
  for (const text of texts.slice(10, 20)) await send(text)
  await bridge.end('SIGKILL')
  for (const text of texts.slice(20)) await send(text)
  expect((await states()).slice(20)).toEqual(Array.from({ length: 10 }, () => 'queued'))
  await bridge.start('both')
  await expect.poll(async () => new Set(await states()), { timeout: 60_000 }).toEqual(new Set(['delivered']))
  expect(await received()).toEqual(texts.map((text) => `${here.peerId} ${text}`))
  await expect.poll(() => peerAt(here, there)).toMatchObject({ path: 'bridge', via: bridge.peerId })
  expect((await bridge.rest.history('kind=direct')).length).toBe(0)
})
