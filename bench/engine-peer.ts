import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { createEngine } from '../src/engine/create-engine.ts'
import { openIdentity } from '../src/identity/identity.ts'
import { defaultLimits } from '../src/limits.ts'
import { createMemoryStore } from '../test/fixtures/memory-store.ts'

/**
 * One end of the engine's own benchmark, in its own process: `<engine> receive <count> <warm-up>` or `<engine> send
 * <count> <warm-up> <multiaddr>`. The rate is that of the messages after the warm-up. Gossip drops messages for a slow
 * neighbour, so the sender is told the number received, and stays ahead of it by the window at most.
 */

type EngineReport = { multiaddr: string | undefined } | { received: number; rate: number }

const window = 2_000
const reportEvery = 250

const [kind, role, count = '0', warmUp = '0', multiaddr = ''] = process.argv.slice(2)
const total = Number(count) + Number(warmUp)
const identity = await openIdentity(join(await mkdtemp(join(tmpdir(), 'peergate-bench-engine-')), 'peer.key'))
const engine = await createEngine(
  {
    kind: kind === 'libp2p' ? 'libp2p' : 'custom',
    listen: [kind === 'libp2p' ? '/ip4/127.0.0.1/tcp/0' : '/ip4/127.0.0.1/tcp/0/ws'],
    announce: [],
    bootstrap: [],
    tls: { certFile: undefined, keyFile: undefined },
    mdns: false,
    relay: false,
    portMapping: false,
    webRtc: undefined,
    dht: 'false',
    privateNetworkKey: undefined,
    dialPrivate: true,
    dialOwnHost: false,
    bridgeTopics: [],
    limits: defaultLimits,
  },
  { identity, records: createMemoryStore().records, logger: pino({ level: 'warn' }) },
)
await (role === 'receive' ? receive(Number(warmUp)) : send(multiaddr))

async function receive(before: number): Promise<void> {
  let received = 0
  let first = 0
  engine.receive({
    async onMessage() {
      if (received === before) first = performance.now()
      if (++received % reportEvery === 0 || received === total) {
        report({ received, rate: (received - before - 1) / ((performance.now() - first) / 1_000) })
      }
      return 'accept'
    },
  })
  await engine.start()
  await engine.subscribe('bench')
  report({ multiaddr: (await engine.multiaddrs())[0] })
}

function report(content: EngineReport): void {
  process.send?.(content)
}

async function send(to: string): Promise<void> {
  engine.receive({ onMessage: async () => 'ignore' })
  await engine.start()
  const subscribed = new Promise<void>((resolve) =>
    engine.listen((event) => {
      if (event.type === 'topic:subscribe') resolve()
    }),
  )
  await engine.dial(to, { source: 'rest', signal: AbortSignal.timeout(10_000) })
  await subscribed
  let received = 0
  process.on('message', (news: { received: number }) => {
    received = news.received
  })
  const data = Buffer.alloc(256)
  const batch = 50
  for (let sent = 0; sent < total; sent += batch) {
    await engine.send(await engine.sign(Array.from({ length: batch }, () => ({ topic: 'bench', data }))))
    do await nextTurn()
    while (sent - received > window)
  }
}
