import { beforeEach, describe } from 'vitest'
import { describeAnnounced } from './engine/announced.ts'
import { describeInbound } from './engine/inbound.ts'
import { describeLifecycle } from './engine/lifecycle.ts'
import { describeLinks } from './engine/links.ts'
import { type EngineNetwork, engineNodes } from './engine/nodes.ts'
import { describePublish } from './engine/publish.ts'
import { describeRequests } from './engine/requests.ts'

/**
 * Tests every sentence of the P2PEngine contract; each test has a network of its own.
 * @param init.announced for engines whose neighbours announce messages, see `describeAnnounced`
 */
export function describeEngine(name: string, createNetwork: () => EngineNetwork, init: { announced?: { afterMs: number } } = {}): void {
  describe(`the ${name} engine`, () => {
    let network: EngineNetwork
    beforeEach(() => {
      network = createNetwork()
    })
    const nodes = engineNodes(() => network)
    describeLifecycle(nodes)
    describeLinks(nodes)
    describePublish(nodes)
    describeRequests(nodes)
    describeInbound(nodes)
    if (init.announced !== undefined) describeAnnounced(nodes, init.announced)
  })
}
