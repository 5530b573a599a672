import { startPeer } from './foreign-peer.ts'
import { gossipCells } from './gossip-cells.ts'

gossipCells({ kind: 'python', transports: ['TCP', 'QUIC', 'WebSocket'], start: (listen) => startPeer('python', { listen }) })
