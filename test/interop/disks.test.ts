import { temporaryDirectory } from '../fixtures/temporary.ts'
import { cell } from './cell.ts'
import { joinBoth, numbered, paced, unheard, untilMissing } from './exchange.ts'
import { type ForeignPeer, startPeer } from './foreign-peer.ts'
import { dialFrom, listenOn, post, startGatewaySide } from './gateway-side.ts'
import { startKubo } from './kubo.ts'

const listen = [listenOn.TCP]

/** One way only: a peer that publishes writes numbers of its own, too, and has less time for those of the gateway. */
async function publishTo(start: Promise<ForeignPeer>): Promise<string> {
  const [gateway, peer] = await Promise.all([startGatewaySide({ PEERGATE_LISTEN: listenOn.TCP }), start])
  await dialFrom(gateway, peer.multiaddrs[0] ?? '')
  const pair = await joinBoth(gateway, peer, 'orders')
  const texts = numbered('to be written', 400)
  await paced(texts, async (text) => await post(gateway, pair.topic, [Buffer.from(text)]))
  const missing = await untilMissing(pair, texts, unheard(pair, texts))
  return `${texts.length - missing} of ${texts.length} that were published at 200/s`
}

cell({ kinds: ['kubo'], name: 'messages to it, its repository on disk' }, async () => {
  return await publishTo(startKubo({ listen, repository: await temporaryDirectory() }))
})

// A disk such as the pauses are made for, on every machine.
cell({ kinds: ['go'], peer: "Go with Kubo's validator", name: 'messages to it, each written for 4 ms' }, async () => {
  return await publishTo(startPeer('go', { listen, seqnoValidator: true, seqnoWriteMs: 4 }))
})
