import { startPeer } from './foreign-peer.ts'
import { gossipCells } from './gossip-cells.ts'

/** The library takes RPCs of 65,536 bytes; some of them stand around the data. */
const largestBytes = 65_000

gossipCells({ kind: 'rust', transports: ['TCP'], largestBytes, start: (listen) => startPeer('rust', { listen }) })
