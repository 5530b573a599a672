import { type NodeView, nodeSchema } from '../../model/node.ts'
import { nodeExample } from '../examples.ts'
import { type App, json, noQuery } from '../operation.ts'

export function nodeRoutes(app: App, components: { node: () => Promise<NodeView> }): void {
  app.route({
    method: 'GET',
    url: '/v1/node',
    config: {
      operation: {
        action: 'read',
        operationId: 'getNode',
        summary: 'This gateway',
        description: 'Who it is, where it can be dialled, what it is doing, and the limits in force.',
        tag: 'Node',
        problems: ['store_unavailable'],
      },
    },
    schema: { querystring: noQuery, response: { 200: json('The gateway.', nodeSchema, nodeExample) } },
    handler: () => components.node(),
  })
}
