import { createLibp2pEngine } from '../../src/engine/libp2p/libp2p-engine.ts'
import { defaultLimits } from '../../src/limits.ts'
import { describeEngine } from '../compliance/engine.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

describeEngine('libp2p', () => ({
  async create(seed) {
    const identity = await createMemoryIdentity(seed)
    const listen = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']
    return createLibp2pEngine(
      { listen, announce: [], bootstrap: [], mdns: false, dialPrivate: true, agent: 'peergate/test', limits: defaultLimits },
      { identity, records: createMemoryStore().records, log: silentLog },
    )
  },
}))
