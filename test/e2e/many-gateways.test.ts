import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { type EngineName, type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

const size = byLength({ gate: 10, full: 20 })
const cidOf = (text: string) => CID.createV1(raw.code, create(0x12, createHash('sha256').update(text).digest())).toString()

async function start(engine: EngineName, bootstrap: string): Promise<GatewayProcess> {
  const env = { ...quietEnvironment(await temporaryDirectory(), engine), PEERGATE_DIAL: 'host', PEERGATE_BOOTSTRAP: bootstrap }
  const gateway = await startGateway(env)
  onTestFinished(async () => {
    await gateway.end('SIGKILL')
  })
  return gateway
}

async function foundPeer(url: string): Promise<string | undefined> {
  const response = await fetch(url)
  return response.ok ? z.object({ peerId: z.string() }).parse(await response.json()).peerId : undefined
}

async function foundProviders(url: string): Promise<string[] | undefined> {
  const response = await fetch(url)
  const page = z.object({ items: z.array(z.object({ peerId: z.string() })) })
  return response.ok ? page.parse(await response.json()).items.map(({ peerId }) => peerId) : undefined
}

describe.each(['custom', 'libp2p'] as const)('%s', (engine) => {
  test(`${size} gateways find each other from one address, and what any of them provides`, { timeout: 240_000 }, async () => {
    const first = await start(engine, '')
    const gateways = [first]
    // Four at a time: each takes a processor for a second.
    while (gateways.length < size) {
      const batch = Math.min(4, size - gateways.length)
      gateways.push(...(await Promise.all(Array.from({ length: batch }, () => start(engine, first.multiaddrs[0] ?? '')))))
    }
    for (const [index, { url }] of gateways.entries()) {
      const other = gateways[(index * 7 + 3) % size]
      await expect.poll(() => foundPeer(`${url}/v1/dht/peers/${other?.peerId}`), { timeout: 30_000, interval: 200 }).toBe(other?.peerId)
    }
    const [provider] = gateways.slice(size / 2)
    const cid = cidOf('what one of them has')
    const provide = async () => (await fetch(`${provider?.url}/v1/dht/providers/${cid}`, { method: 'POST' })).status
    await expect.poll(provide, { timeout: 30_000, interval: 200 }).toBe(204)
    for (const { url } of gateways) {
      if (url === provider?.url) continue
      await expect
        .poll(() => foundProviders(`${url}/v1/dht/providers/${cid}`), { timeout: 30_000, interval: 200 })
        .toEqual([provider?.peerId])
    }
  })
})
