import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { chromium, type Page } from 'playwright-core'
import { rolldown } from 'rolldown'
import { expect, onTestFinished, test } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import type { BrowserPeer } from '../fixtures/browser-peer.ts'
import { executablePath } from '../fixtures/chromium.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** A page with js-libp2p as a peer of a gateway that cannot be dialled. */

const patience = { timeout: 40_000 }

declare const peer: BrowserPeer

async function start(env: Record<string, string>): Promise<GatewayProcess> {
  const environment = quietEnvironment(await temporaryDirectory(), 'libp2p')
  return await gatewayForTest({ ...environment, PEERGATE_WEBRTC: 'true', PEERGATE_STUN_PORT: '0', ...env })
}

async function get<Body>({ url }: GatewayProcess, path: string): Promise<Body> {
  return (await (await fetch(`${url}${path}`)).json()) as Body
}

/** The page, once its node runs. */
async function openPage(): Promise<Page> {
  const input = fileURLToPath(new URL('../fixtures/browser-peer.ts', import.meta.url))
  const bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' })
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false })
  await bundle.close()
  const html = '<!doctype html><title>peer</title><script type="module" src="/peer.js"></script>'
  const server = createServer(({ url }, answer) => {
    const isScript = url === '/peer.js'
    answer.setHeader('content-type', isScript ? 'text/javascript' : 'text/html').end(isScript ? output[0].code : html)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const browser = await chromium.launch({ executablePath: executablePath ?? '' })
  onTestFinished(async () => {
    await browser.close()
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  const page = await browser.newPage()
  await page.goto(`http://localhost:${typeof address === 'object' ? address?.port : ''}/`)
  await page.waitForFunction('globalThis.peer !== undefined', undefined, patience)
  return page
}

test('a page with js-libp2p publishes to a hidden gateway and receives from it, by WebRTC with signals through a relay (needs chromium)', async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const relay = await start({ PEERGATE_LISTEN: '/ip4/127.0.0.1/tcp/0/ws', PEERGATE_RELAY: 'true' })
  const [toRelay = ''] = (await get<NodeView>(relay, '/v1/node')).multiaddrs
  const hidden = await start({ PEERGATE_LISTEN: '/p2p-circuit', PEERGATE_BOOTSTRAP: toRelay })
  const webRtcAddress = async () => (await get<NodeView>(hidden, '/v1/node')).multiaddrs.find((each) => each.includes('/webrtc/')) ?? ''
  await expect.poll(webRtcAddress, patience).not.toBe('')
  expect((await fetch(`${hidden.url}/v1/topics/orders`, { method: 'PUT' })).ok).toBe(true)
  const page = await openPage()
  expect(await page.evaluate((address) => peer.dial(address), await webRtcAddress())).toContain('/webrtc/')
  const peerId = await page.evaluate(() => peer.peerId)
  await expect.poll(async () => (await get<{ path: string }>(hidden, `/v1/peers/${peerId}`)).path, patience).toBe('webrtc')
  await page.evaluate(() => peer.subscribe('orders'))

  async function publishHere(data: string): Promise<boolean> {
    const body = JSON.stringify({ data })
    const headers = { 'content-type': 'application/json' }
    const path = '/v1/topics/orders/messages?minRecipients=1&waitMs=20000'
    return (await fetch(`${hidden.url}${path}`, { method: 'POST', headers, body })).status === 201
  }
  const numbers = Array.from({ length: 20 }, (_, number) => `${number}`)
  for (const number of numbers) expect(await publishHere(`to the page ${number}`)).toBe(true)
  await expect.poll(() => page.evaluate(() => peer.received), patience).toEqual(numbers.map((number) => `to the page ${number}`))
  await expect.poll(() => page.evaluate(() => peer.subscribers('orders')), patience).toBeGreaterThan(0)
  async function publishThere(name: string): Promise<string[]> {
    const texts = numbers.map((number) => `from the page ${name} ${number}`)
    for (const text of texts) await page.evaluate((each) => peer.publish('orders', each), text)
    return texts
  }
  async function arrived(name: string): Promise<string[]> {
    const { items } = await get<{ items: Array<{ data: string }> }>(hidden, '/v1/topics/orders/messages?after=earliest&limit=200')
    return items.map(({ data }) => data).filter((data) => data.startsWith(`from the page ${name}`))
  }
  // The page opens its stream anew some seconds after the relayed connection: what it announces then comes late, but comes.
  const meanwhile = await publishThere('meanwhile')
  await expect.poll(async () => (await arrived('meanwhile')).toSorted(), patience).toEqual(meanwhile.toSorted())
  await expect.poll(() => page.evaluate(() => peer.gossipsOver('/webrtc/')), patience).toBe(true)
  const later = await publishThere('later')
  await expect.poll(() => arrived('later'), patience).toEqual(later)
  expect(await page.evaluate(() => peer.links())).toMatchObject([
    { direct: true },
    { direct: true, remoteAddr: expect.stringContaining('/webrtc/') },
  ])
})
