import { describeEngine } from '../../compliance/engine.ts'
import { libp2pEngine } from '../../fixtures/libp2p-engine.ts'

/** Nobody refuses a datagram, so a dial to nobody takes all the time that it has. */
const overQuic = { listen: ['/ip4/127.0.0.1/udp/0/quic-v1'], limits: { dialTimeoutMs: 8_000 } }

describeEngine('libp2p over TCP', () => ({ create: (seed) => libp2pEngine({ seed, listen: ['/ip4/127.0.0.1/tcp/0'] }) }), {
  announced: { afterMs: 5_100 },
})
describeEngine('libp2p over WebSocket', () => ({ create: (seed) => libp2pEngine({ seed, listen: ['/ip4/127.0.0.1/tcp/0/ws'] }) }))
describeEngine('libp2p over QUIC', () => ({ create: (seed) => libp2pEngine({ seed, ...overQuic }) }))
