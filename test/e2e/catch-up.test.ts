import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

/** Three gateways that publish all the time, one of them cut off for twice as long as a silent link is kept: in the full length a minute, as by default. */

const topic = 'orders'
const cutMs = byLength({ gate: 20_000, full: 60_000 })
/** Ten a second of each, until after the cut. */
const count = cutMs / 100 + 100

const listening = {
  custom: (port: number, ip: string) => `/ip4/${ip}/tcp/${port}/ws`,
  libp2p: (port: number, ip: string) => `/ip4/${ip}/tcp/${port}`,
}

test(`a gateway that is cut off for ${cutMs / 1_000} s of publishing has the whole log soon after it is back, its clients too (needs network namespaces)`, {
  timeout: 240_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  // Both cuts at once.
  await Promise.all([cutOff('custom'), cutOff('libp2p')])
})

async function cutOff(engine: EngineName): Promise<void> {
  const { outside, hosts, cut, mend } = await createRoutedNetwork(['port-restricted'])
  const address = listening[engine]
  const start = async (under: string[], port: number, bootstrap: string[]) => {
    const env = {
      ...quietEnvironment(await temporaryDirectory(), engine),
      PEERGATE_LISTEN: address(port, '0.0.0.0'),
      PEERGATE_BOOTSTRAP: bootstrap.join(','),
      PEERGATE_SILENT_LINK_MS: `${cutMs / 2}`,
    }
    const { url, peerId } = await gatewayForTest(env, under)
    const get = <Body>(path: string) => getInside<Body>(under, url + path)
    return { url, peerId, under, get, multiaddr: `${address(port, publicAddress)}/p2p/${peerId}` }
  }
  const first = await start(outside, 7071, [])
  const second = await start(outside, 7081, [first.multiaddr])
  const away = await start(hosts[0] ?? [], 7071, [first.multiaddr, second.multiaddr])
  const gateways = [first, second, away]
  const readers = gateways.map(({ under, url }) => inside(under, 'receive', url, topic, `${2 * count}`))
  for (const { lines } of readers) await expect.poll(() => lines[0]).toBe('subscribed')
  for (const { get } of gateways) {
    const linked = async () => (await get<{ items: unknown[] }>('/v1/peers?state=connected')).items.length
    await expect.poll(linked, { interval: 200 }).toBe(2)
  }

  const writers = gateways.map(({ under, url }) => inside(under, 'trickle', url, topic, `${count}`))
  await delay(2_000)
  await cut(0, 'both')
  await delay(cutMs)
  const written = async ({ get, peerId }: (typeof gateways)[number]) => await everything(get, `from=${peerId}`)
  let before: MessageView[][] = []
  const missing = async () => {
    before = await Promise.all([first, second].map(written))
    const here = (await everything(away.get, '')).filter(({ from }) => from !== away.peerId)
    return before.flat().length - here.length
  }
  // On a busy machine the others do not publish at their full rate, and need longer for half of the cut's messages.
  await expect.poll(missing, { timeout: 60_000, interval: 1_000 }).toBeGreaterThan(2 * 0.5 * (cutMs / 100))
  await mend(0)
  // By what its client is given: to ask for the log takes a process for each page.
  const lines = readers[2]?.lines ?? []
  const left = () => {
    const given = counted(lines)
    return [...counted(before.flat().map(({ data }) => String(data)))].filter(([data, times]) => (given.get(data) ?? 0) < times).length
  }
  // Ten seconds on a machine that does nothing else: a pause between two dials is up to six of them.
  await expect.poll(left, { message: engine, timeout: 60_000 }).toBe(0)

  for (const { ended } of writers) expect(await ended).toEqual({ code: 0, output: 'done' })
  for (const [index, { ended }] of readers.entries()) {
    const { code, output } = await ended
    expect(code).toBe(0)
    const log = await everything(gateways[index]?.get ?? away.get, '')
    // Each once, and in the order of the log of the client's own gateway.
    expect(new Set(log.map(({ id }) => id)).size).toBe(3 * count)
    const others = log.filter(({ from }) => from !== gateways[index]?.peerId)
    expect(output.split('\n').slice(1)).toEqual(others.map(({ data }) => data))
  }
}

/** How often each is there: two authors number their messages alike. */
function counted(texts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return counts
}

async function everything(get: <Body>(path: string) => Promise<Body>, query: string): Promise<MessageView[]> {
  const messages: MessageView[] = []
  for (let after = 'earliest'; ; ) {
    const page = await get<{ items: MessageView[]; newer: string; caughtUp: boolean }>(
      `/v1/topics/${topic}/messages?limit=500&after=${after}&${query}`,
    )
    messages.push(...page.items)
    if (page.caughtUp) return messages
    after = page.newer
  }
}
