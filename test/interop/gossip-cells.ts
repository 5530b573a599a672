import type { PeerKind } from './built-peers.ts'
import { cell } from './cell.ts'
import { exchange, exchangePayloads, joinBoth, type Pair } from './exchange.ts'
import type { ForeignPeer } from './foreign-peer.ts'
import { dialFrom, type GatewaySide, largestMessage, listenOn, startGatewaySide, type Transport } from './gateway-side.ts'

/** Each transport is dialled by either side somewhere. */
const diallers: Record<Transport, 'gateway' | 'peer'> = { TCP: 'gateway', QUIC: 'peer', WebSocket: 'gateway' }

const topic = 'orders'

export interface GossipCellsInit {
  readonly kind: PeerKind
  /** Of a peer that is not as its library has it. */
  readonly peer?: string
  readonly transports: readonly Transport[]
  start(listen: readonly string[]): Promise<ForeignPeer>
  /** The largest data that it takes, when that is less than a gateway does. */
  readonly largestBytes?: number
}

/** Cells of messages alone, over each transport. */
export function gossipCells({ kind, peer, transports, start, largestBytes }: GossipCellsInit): void {
  for (const transport of transports) {
    const kinds = [kind] as const
    const about = { kinds, ...(peer === undefined ? {} : { peer }) }
    const pairOver = async () => await connectedPair(transport, start)
    cell({ ...about, name: `messages over ${transport}, dialled by the ${diallers[transport]}` }, async () => {
      return await exchange(await pairOver())
    })
    cell({ ...about, name: `payloads over ${transport}` }, async () => {
      const pair = await pairOver()
      return await exchangePayloads(pair, largestBytes ?? (await largestMessage(pair.gateway)))
    })
  }
}

async function connectedPair(transport: Transport, start: GossipCellsInit['start']): Promise<Pair> {
  const listen = listenOn[transport]
  const [gateway, peer] = await Promise.all([startGatewaySide({ PEERGATE_LISTEN: listen }), start([listen])])
  await connect(gateway, peer, diallers[transport])
  return await joinBoth(gateway, peer, topic)
}

async function connect(gateway: GatewaySide, peer: ForeignPeer, dialler: 'gateway' | 'peer'): Promise<void> {
  const [address] = dialler === 'gateway' ? peer.multiaddrs : gateway.process.multiaddrs
  if (address === undefined) throw new Error(`the one that the ${dialler} is to dial listens nowhere`)
  if (dialler === 'gateway') await dialFrom(gateway, address)
  else await peer.dial(address)
}
