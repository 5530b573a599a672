import { testRouting } from '../../compliance/routing.ts'
import { bothEngine } from '../../fixtures/both-engine.ts'

testRouting({
  create: () => bothEngine({ dialOwnHost: true }),
  createWithout: () => bothEngine({ dht: false }),
})
