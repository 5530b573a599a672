import { z } from 'zod'
import { logLevelSchema } from '../../model/log-level.ts'
import { type App, declareRoute, json, noQuery } from '../operation.ts'

const bodySchema = z.strictObject({ level: logLevelSchema }).meta({ id: 'LogLevelInput' })
const answerSchema = z.object({ level: z.string() }).meta({ id: 'LogLevel' })

export const logLevelContract = {
  setLogLevel: declareRoute({
    method: 'PUT',
    url: '/v1/log-level',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        operationId: 'setLogLevel',
        summary: 'Change the log level',
        description: 'Applies to this gateway until it stops. `PEERGATE_LOG_LEVEL` sets the level at start.',
        tag: 'Node',
      },
    },
    schema: {
      querystring: noQuery,
      body: bodySchema.meta({ example: { level: 'debug' } }),
      response: { 200: json('The current log level.', answerSchema, { level: 'debug' }) },
    },
  }),
}

export function logLevelRoutes(app: App, components: { logger: { level: string } }): void {
  const { logger } = components

  app.route({
    ...logLevelContract.setLogLevel,
    handler: async ({ body }) => {
      logger.level = body.level
      return { level: logger.level }
    },
  })
}
