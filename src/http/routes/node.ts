import { z } from 'zod'
import { type GatewayView, gatewaySchema } from '../../model/gateway-view.ts'
import { type NodeView, nodeSchema } from '../../model/node.ts'
import { gatewayExample, nodeExample } from '../examples.ts'
import { type App, json, noQuery } from '../operation.ts'

export interface NodeComponents {
  node: () => Promise<NodeView>
  gateways: { list(): Promise<GatewayView[]> }
}

const gatewaysSchema = z.object({ items: z.array(gatewaySchema) })

export function nodeRoutes(app: App, components: NodeComponents): void {
  app.route({
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
    handler: () => components.node(),
  })
  app.route({
    method: 'GET',
    url: '/v1/nodes',
    config: {
      operation: {
        action: 'read',
        operationId: 'listNodes',
        summary: 'List the gateways of this database',
        description:
          'With PostgreSQL several gateways form one service: a client can use any of them, and resume at another with the same cursor.',
        tag: 'Node',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: noQuery,
      response: { 200: json('The gateways, sorted by peer id.', gatewaysSchema, { items: [gatewayExample] }) },
    },
    handler: async () => ({ items: await components.gateways.list() }),
  })
}
