import { withBridges } from '../../../src/engine/bridge/with-bridges.ts'
import { defaultLimits } from '../../../src/limits.ts'
import { describeEngine } from '../../compliance/engine.ts'
import { createMemoryEngine, createMemoryNetwork } from '../../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

describeEngine('memory, with bridges', () => {
  const network = createMemoryNetwork()
  return {
    async create(seed) {
      const identity = await createMemoryIdentity(seed)
      return withBridges({ limits: defaultLimits }, { engine: createMemoryEngine({ network, identity }), identity })
    },
  }
})
