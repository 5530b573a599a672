import { testRouting } from '../../compliance/routing.ts'
import { customEngine } from '../../fixtures/custom-engine.ts'

testRouting({
  create: (options) => customEngine({ ...options, dialOwnHost: true }),
  createWithout: () => customEngine({ dht: false }),
})
