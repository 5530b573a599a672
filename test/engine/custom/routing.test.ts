import { testRouting } from '../../compliance/routing.ts'
import { customEngine } from '../../fixtures/custom-engine.ts'

testRouting({
  create: () => customEngine({ dialOwnHost: true }),
  createWithout: () => customEngine({ dht: false }),
  createFull: () => customEngine({ dialOwnHost: true, limits: { maxDhtRecordsPerPeer: 0 } }),
})
