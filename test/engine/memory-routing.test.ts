import { createNoRouting } from '../../src/engine/no-routing.ts'
import { testRouting } from '../compliance/routing.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const network = createMemoryNetwork()

const create = async () => createMemoryEngine({ network, identity: await createMemoryIdentity() })

testRouting({
  create,
  createWithout: async () => ({ ...(await create()), routing: createNoRouting() }),
})
