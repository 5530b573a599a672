import type { P2PEngine } from '../../../src/engine/engine.ts'
import { describeEngine } from '../../compliance/engine.ts'
import { bothEngine } from '../../fixtures/both-engine.ts'

describeEngine('both, linked on the custom network', () => ({ create: (seed) => bothEngine({ seed }) }), { announced: { afterMs: 0 } })

/** The same bridge, whose first address is one of libp2p. */
function libp2pFirst(engine: P2PEngine): P2PEngine {
  const multiaddrs = async () => (await engine.multiaddrs()).toReversed()
  return Object.create(engine, { multiaddrs: { value: multiaddrs } })
}

describeEngine('both, linked on libp2p', () => ({ create: async (seed) => libp2pFirst(await bothEngine({ seed })) }), {
  announced: { afterMs: 5_100 },
})
