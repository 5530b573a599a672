import { expect } from 'vitest'
import type { PeerKind } from './built-peers.ts'
import { cell } from './cell.ts'
import { bursts, heard, knowEachOther, numbered, overtakenShare, unheard, untilMissing } from './exchange.ts'
import { type ForeignPeer, startPeer } from './foreign-peer.ts'
import { dialFrom, follow, listenOn, post, startGatewaySide } from './gateway-side.ts'
import { startKubo } from './kubo.ts'

const topic = 'orders'
const texts = numbered('waiting', 300)
const listen = [listenOn.TCP]

interface WaitingInit {
  readonly kind: PeerKind
  readonly peer?: string
  start(): Promise<ForeignPeer>
  /** Whether it validates with several threads, and gives out what one of them was held up with after a later one. */
  readonly overtakes?: boolean
}

/** So many of the texts came after a later one. */
function overtaken(arrived: readonly string[]): number {
  let last = -1
  let count = 0
  for (const number of arrived.map((text) => texts.indexOf(text))) {
    if (number < last) count++
    else last = number
  }
  return count
}

function waitingCell({ kind, peer: title, start, overtakes = false }: WaitingInit): void {
  const about = { kinds: [kind] as const, ...(title === undefined ? {} : { peer: title }) }
  cell({ ...about, name: 'messages that were published before it subscribed' }, async () => {
    const [gateway, peer] = await Promise.all([startGatewaySide({ PEERGATE_LISTEN: listenOn.TCP }), start()])
    await dialFrom(gateway, peer.multiaddrs[0] ?? '')
    for (const burst of bursts(texts)) {
      const published = await post(gateway, topic, burst.map(bytesOf))
      expect(published.map(({ recipients }) => recipients)).toEqual(burst.map(() => 0))
    }
    const stream = await follow(gateway, topic)
    await peer.subscribe(topic)
    const pair = { gateway, peer, topic, stream }
    await knowEachOther(pair)
    const missing = await untilMissing(pair, texts, unheard(pair, texts))
    const arrived = heard(pair, texts)
    expect(arrived.length).toBe(texts.length - missing)
    expect(overtaken(arrived)).toBeLessThanOrEqual(overtakes ? texts.length * overtakenShare : 0)
    const order = overtaken(arrived) === 0 ? 'in order' : `${overtaken(arrived)} of them overtaken within the peer`
    return `${arrived.length} of ${texts.length}, as three arrays, ${order}`
  })
}

const bytesOf = (text: string) => Buffer.from(text)

waitingCell({ kind: 'go', start: () => startPeer('go', { listen }), overtakes: true })
waitingCell({
  kind: 'go',
  peer: "Go with Kubo's validator",
  start: () => startPeer('go', { listen, seqnoValidator: true }),
})
waitingCell({ kind: 'kubo', start: () => startKubo({ listen }) })
waitingCell({ kind: 'rust', start: () => startPeer('rust', { listen }) })
waitingCell({ kind: 'python', start: () => startPeer('python', { listen }) })
