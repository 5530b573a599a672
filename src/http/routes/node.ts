import { z } from 'zod'
import { type Finding, findingsSchema } from '../../model/finding.ts'
import { type GatewayView, gatewaySchema } from '../../model/gateway-view.ts'
import { type NodeView, nodeSchema } from '../../model/node.ts'
import { peerIdSchema } from '../../model/peer.ts'
import { findingExample, gatewayExample, nodeExample } from '../examples.ts'
import { limitQuery, peerIdInput } from '../inputs.ts'
import { type App, declareRoute, json, noQuery } from '../operation.ts'

export interface NodeComponents {
  node: () => Promise<NodeView>
  diagnosis: { findings(): Promise<Finding[]> }
  gateways: { list(query: { after?: string | undefined; limit: number }): Promise<{ items: GatewayView[]; next: string | null }> }
}

const pageSchema = z
  .object({
    items: z.array(gatewaySchema),
    next: peerIdSchema.nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'GatewayPage' })

export const nodeContract = {
  getNode: declareRoute({
    method: 'GET',
    url: '/v1/node',
    config: {
      operation: {
        action: 'read',
        operationId: 'getNode',
        summary: 'Get this gateway',
        description: 'Identity, addresses, reachability, counters, and the limits in force.',
        tag: 'Node',
        problems: ['store_unavailable'],
      },
    },
    schema: { querystring: noQuery, response: { 200: json('The gateway.', nodeSchema, nodeExample) } },
  }),
  getFindings: declareRoute({
    method: 'GET',
    url: '/v1/node/findings',
    config: {
      operation: {
        action: 'admin',
        operationId: 'getFindings',
        summary: 'Examine this gateway',
        description:
          'Looks for what holds the gateway back: its configuration, clock, disk, descriptors, database, proxies and reachability. `peergate doctor` examines a machine before a gateway runs there.',
        tag: 'Node',
      },
    },
    schema: { querystring: noQuery, response: { 200: json('What was found.', findingsSchema, { findings: [findingExample] }) } },
  }),
  listNodes: declareRoute({
    method: 'GET',
    url: '/v1/nodes',
    config: {
      operation: {
        action: 'read',
        operationId: 'listNodes',
        work: 'list',
        summary: 'List the gateways of this database',
        description:
          'With PostgreSQL several gateways form one service: a client can use any of them, and resume at another with the same cursor.',
        tag: 'Node',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({ after: peerIdInput.optional().describe('Only gateways after this one.'), limit: limitQuery }),
      response: { 200: json('A page of gateways, sorted by peer id.', pageSchema, { items: [gatewayExample], next: null }) },
    },
  }),
}

export function nodeRoutes(app: App, components: NodeComponents): void {
  app.route({
    ...nodeContract.getNode,
    handler: () => components.node(),
  })
  app.route({
    ...nodeContract.getFindings,
    handler: async () => ({ findings: await components.diagnosis.findings() }),
  })
  app.route({
    ...nodeContract.listNodes,
    handler: ({ query }) => components.gateways.list(query),
  })
}
