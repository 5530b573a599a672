import { gossipCells } from './gossip-cells.ts'
import { startKubo } from './kubo.ts'

gossipCells({ kind: 'kubo', transports: ['TCP', 'QUIC', 'WebSocket'], start: (listen) => startKubo({ listen }) })
