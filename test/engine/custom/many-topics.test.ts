import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'

const topics = Array.from({ length: 10_000 }, (_, index) => `joined.topic.${index}`)
const last = topics.at(-1) ?? ''
const patience = { timeout: 60_000, interval: 500 }
/** On a busy machine a late event loop is no silent peer. */
const patientLimits = { silentLinkMs: 600_000, doubtedLinkMs: 600_000 }

interface Node {
  engine: P2PEngine
  received: string[]
  /** Links that ended. */
  ended: string[]
}

async function startNode(options: { seed?: Uint8Array; joins: boolean; bootstrap?: string[] }): Promise<Node> {
  const received: string[] = []
  const ended: string[] = []
  const engine = await startedCustomEngine({
    dialOwnHost: true,
    limits: patientLimits,
    ...options,
    inbound: {
      async onMessage({ data }) {
        received.push(Buffer.from(data).toString())
        return 'accept'
      },
    },
  })
  engine.listen((event) => event.type === 'peer:disconnect' && ended.push(event.peerId))
  if (options.joins) for (const topic of topics) await engine.subscribe(topic)
  return { engine, received, ended }
}

const address = async ({ engine }: Node) => (await engine.multiaddrs())[0] ?? ''

async function publish({ engine }: Node, text: string): Promise<void> {
  await engine.send(await engine.sign([{ topic: last, data: Buffer.from(text) }]))
}

/** Resolves when each of them knows the other as a subscriber of all topics. */
async function knowAll(one: Node, other: Node): Promise<void> {
  const unknown = async (a: Node, b: Node) => {
    let count = 0
    for (const topic of topics) if (!(await a.engine.subscribers(topic)).includes(b.engine.peerId)) count++
    return count
  }
  await expect.poll(() => unknown(one, other), patience).toBe(0)
  await expect.poll(() => unknown(other, one), patience).toBe(0)
}

async function exchange(one: Node, other: Node, text: string): Promise<void> {
  await publish(one, `${text} from one`)
  await publish(other, `${text} from the other`)
  await expect.poll(() => other.received, patience).toContain(`${text} from one`)
  await expect.poll(() => one.received, patience).toContain(`${text} from the other`)
}

test('two nodes with ten thousand topics each know all of the other, and keep their link, also after a restart', async () => {
  const seed = Buffer.alloc(32, 9)
  const a = await startNode({ joins: true })
  const first = await startNode({ seed, joins: true, bootstrap: [await address(a)] })
  await knowAll(a, first)
  await exchange(a, first, 'before')
  expect([...a.ended, ...first.ended]).toEqual([])
  await first.engine.stop()
  await expect.poll(() => a.ended, patience).toHaveLength(1)
  const second = await startNode({ seed, joins: true, bootstrap: [await address(a)] })
  await knowAll(a, second)
  await exchange(a, second, 'after')
  expect([a.ended.length, second.ended.length]).toEqual([1, 0])
  for (const { engine } of [a, second]) expect(engine.limitsReached).toMatchObject({ frame_flood: 0, peer_topic: 0 })
}, 240_000)

test('two nodes with ten thousand topics find each other through a third that has none', async () => {
  const hub = await startNode({ joins: false })
  const bootstrap = [await address(hub)]
  const a = await startNode({ joins: true, bootstrap })
  const b = await startNode({ joins: true, bootstrap })
  await knowAll(a, b)
  await exchange(a, b, 'past the hub')
  expect([...a.ended, ...b.ended]).not.toContain(hub.engine.peerId)
  for (const { engine } of [hub, a, b]) expect(engine.limitsReached).toMatchObject({ frame_flood: 0, peer_topic: 0 })
}, 240_000)

test('messages on the last of ten thousand topics cross a third node that has joined them all', async () => {
  const hub = await startNode({ joins: true })
  const bootstrap = [await address(hub)]
  const [a, b] = [await startNode({ joins: true, bootstrap }), await startNode({ joins: true, bootstrap })]
  await a.engine.block(b.engine.peerId)
  await knowAll(a, hub)
  await knowAll(b, hub)
  await exchange(a, b, 'over the hub')
  expect([...a.ended, ...b.ended]).not.toContain(hub.engine.peerId)
  for (const { engine } of [hub, a, b]) expect(engine.limitsReached).toMatchObject({ frame_flood: 0 })
}, 240_000)
