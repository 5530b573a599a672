import { join } from 'node:path'
import { freePort } from '../fixtures/free-port.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import type { PeerKind } from './built-peers.ts'
import { cell } from './cell.ts'
import {
  heard,
  joinBoth,
  knowEachOther,
  numbered,
  type Pair,
  paced,
  pacedBothWays,
  unheard,
  untilMissing,
  untilRouted,
} from './exchange.ts'
import { type ForeignPeer, startPeer } from './foreign-peer.ts'
import { follow, type GatewaySide, post, restartGatewaySide, startGatewaySide, untilSubscribed } from './gateway-side.ts'
import { startKubo } from './kubo.ts'

const topic = 'orders'
const texts = numbered('through it', 600)
/** After so many have been answered somebody is ended. */
const endAfter = 200

const signals = { SIGTERM: 'is ended', SIGKILL: 'is killed' } as const

/** Starts the peer, and starts it again as the same one: on a port of its own and with its key. */
type StartAgain = () => Promise<ForeignPeer>

async function sameOne(kind: PeerKind): Promise<StartAgain> {
  const listen = [`/ip4/127.0.0.1/tcp/${await freePort()}`]
  if (kind === 'kubo') {
    const repository = await temporaryDirectory()
    return () => startKubo({ listen, repository })
  }
  const keyFile = join(await temporaryDirectory(), 'key')
  return () => startPeer(kind, { listen, keyFile })
}

/** A gateway that dials the peer when it starts. */
async function gatewayBeside(peer: ForeignPeer): Promise<GatewaySide> {
  return await startGatewaySide({
    PEERGATE_LISTEN: `/ip4/127.0.0.1/tcp/${await freePort()}`,
    PEERGATE_BOOTSTRAP: peer.multiaddrs.join(','),
  })
}

/** Publishes to whoever is the gateway at the time, until it is answered; tells how many have been. */
async function publishThrough(current: () => Promise<GatewaySide>, onAnswered: (answered: number) => void): Promise<void> {
  let answered = 0
  await paced(texts, async (text) => {
    const gateway = await current()
    await post(gateway, topic, [Buffer.from(text)]).catch(async (error) => {
      const next = await current()
      if (next === gateway) throw error
      await post(next, topic, [Buffer.from(text)])
    })
    onAnswered(++answered)
  })
}

async function goesOn(pair: Pair): Promise<void> {
  await knowEachOther(pair)
  await untilRouted(pair)
  await pacedBothWays(pair, numbered('after it', 200))
}

function restartCells(kind: PeerKind, signalsOfKind: readonly (keyof typeof signals)[]): void {
  for (const signal of signalsOfKind) {
    cell({ kinds: [kind], name: `the gateway ${signals[signal]} while it publishes, and comes back` }, async () => {
      const peer = await (await sameOne(kind))()
      const first = await gatewayBeside(peer)
      await joinBoth(first, peer, topic)
      let gateway = Promise.resolve(first)
      await publishThrough(
        () => gateway,
        (answered) => {
          if (answered === endAfter) gateway = first.process.end(signal).then(() => restartGatewaySide(first.env))
        },
      )
      const pair = { gateway: await gateway, peer, topic, stream: await follow(await gateway, topic) }
      // What was not answered before was published once more: it may be there as two messages.
      const lost = await untilMissing(pair, texts, unheard(pair, texts))
      await goesOn(pair)
      return `${texts.length - lost} of ${texts.length} that it acknowledged at 200/s, and 200 each way after it`
    })

    cell({ kinds: [kind], name: `it ${signals[signal]} while the gateway publishes, and comes back` }, async () => {
      const start = await sameOne(kind)
      const before = await start()
      const gateway = await gatewayBeside(before)
      await joinBoth(gateway, before, topic)
      const back = Promise.withResolvers<ForeignPeer>()

      async function restart(): Promise<ForeignPeer> {
        await before.end(signal)
        await untilSubscribed(gateway, topic, 0)
        const after = await start()
        await after.dial(gateway.process.multiaddrs[0] ?? '')
        await after.subscribe(topic)
        return after
      }

      await publishThrough(
        async () => gateway,
        (answered) => {
          if (answered === endAfter) back.resolve(restart())
        },
      )
      const after = await back.promise
      const pair = { gateway, peer: after, topic, stream: await follow(gateway, topic) }
      const atFirst = new Set(heard({ ...pair, peer: before }, texts))
      const left = texts.filter((text) => !atFirst.has(text))
      const lost = await untilMissing(pair, texts, unheard(pair, left))
      await goesOn(pair)
      return `${texts.length - lost} of ${texts.length} by one or the other, at 200/s, and 200 each way after it`
    })
  }
}

restartCells('go', ['SIGTERM', 'SIGKILL'])
restartCells('rust', ['SIGKILL'])
restartCells('python', ['SIGKILL'])
restartCells('kubo', ['SIGKILL'])
