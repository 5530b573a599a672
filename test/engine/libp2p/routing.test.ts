import { testRouting } from '../../compliance/routing.ts'
import { libp2pEngine } from '../../fixtures/libp2p-engine.ts'

const listen = ['/ip4/127.0.0.1/tcp/0']

testRouting({
  create: () => libp2pEngine({ listen, dialOwnHost: true }),
  createWithout: () => libp2pEngine({ listen, dht: false }),
  createFull: () => libp2pEngine({ listen, dialOwnHost: true, limits: { maxDhtRecordsPerPeer: 0 } }),
})
