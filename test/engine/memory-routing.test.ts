import { testRouting } from '../compliance/routing.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const network = createMemoryNetwork()

testRouting({
  create: async (options = {}) => createMemoryEngine({ network, identity: await createMemoryIdentity(options.seed) }),
  // Without a link there is none here.
  createWithout: async () => createMemoryEngine({ network, identity: await createMemoryIdentity() }),
})
