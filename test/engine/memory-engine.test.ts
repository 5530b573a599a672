import { describeEngine } from '../compliance/engine.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

describeEngine('memory', () => {
  const network = createMemoryNetwork()
  return { create: async (seed) => createMemoryEngine({ network, identity: await createMemoryIdentity(seed) }) }
})
