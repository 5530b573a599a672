import { startPeer } from './foreign-peer.ts'
import { gossipCells } from './gossip-cells.ts'

const transports = ['TCP', 'QUIC', 'WebSocket'] as const

gossipCells({ kind: 'go', transports, start: (listen) => startPeer('go', { listen }) })

gossipCells({
  kind: 'go',
  peer: "Go with Kubo's validator",
  transports,
  start: (listen) => startPeer('go', { listen, seqnoValidator: true }),
})
