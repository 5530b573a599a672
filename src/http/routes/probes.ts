import { z } from 'zod'
import type { LogStore } from '../../store/store.ts'
import { type App, json } from '../operation.ts'

/** What the probes ask of the gateway. */
export interface Probes {
  started(): boolean
  draining(): boolean
  store: Pick<LogStore, 'position'>
}

/** How long the database may take to be called available. */
const databaseDeadlineMs = 1_000

const availabilitySchema = z.enum(['ok', 'unavailable']).meta({ id: 'Availability', description: 'Whether it is there.', example: 'ok' })
type Availability = z.infer<typeof availabilitySchema>

const statusSchema = z.object({ status: availabilitySchema }).meta({ id: 'Status' })
const readinessSchema = z
  .object({
    status: availabilitySchema,
    checks: z.object({
      started: z.boolean(),
      draining: z.boolean(),
      database: availabilitySchema.describe('Shown, but it decides nothing: otherwise every gateway would leave at once.'),
    }),
  })
  .meta({ id: 'Readiness' })

export function probeRoutes(app: App, components: { probes: Probes }): void {
  const { probes } = components

  async function database(): Promise<Availability> {
    const { promise: late, resolve } = Promise.withResolvers<Availability>()
    const deadline = setTimeout(resolve, databaseDeadlineMs, 'unavailable')
    const asked = probes.store.position().then(
      () => availability(true),
      () => availability(false),
    )
    return await Promise.race([asked, late]).finally(() => clearTimeout(deadline))
  }

  app.route({
    method: 'GET',
    url: '/startedz',
    config: {
      operation: { action: 'none', operationId: 'probeStarted', summary: 'Whether the gateway has started', tag: 'Probes', anyHost: true },
    },
    schema: {
      response: {
        200: json('Its database is up to date and it listens.', statusSchema, { status: 'ok' }),
        503: json('Not yet.', statusSchema, { status: 'unavailable' }),
      },
    },
    handler: async (_request, reply) => {
      const started = probes.started()
      reply.code(started ? 200 : 503)
      return { status: availability(started) }
    },
  })

  app.route({
    method: 'GET',
    url: '/readyz',
    config: {
      operation: {
        action: 'none',
        operationId: 'probeReady',
        summary: 'Whether to send clients to the gateway',
        tag: 'Probes',
        anyHost: true,
      },
    },
    schema: {
      response: {
        200: json('It has started and does not stop.', readinessSchema, {
          status: 'ok',
          checks: { started: true, draining: false, database: 'ok' },
        }),
        503: json('It has not started, or is stopping.', readinessSchema, {
          status: 'unavailable',
          checks: { started: true, draining: true, database: 'ok' },
        }),
      },
    },
    handler: async (_request, reply) => {
      const checks = { started: probes.started(), draining: probes.draining(), database: await database() }
      const ready = checks.started && !checks.draining
      reply.code(ready ? 200 : 503)
      return { status: availability(ready), checks }
    },
  })

  app.route({
    method: 'GET',
    url: '/healthz',
    config: {
      operation: { action: 'none', operationId: 'probeHealthy', summary: 'Whether the process still works', tag: 'Probes', anyHost: true },
    },
    schema: { response: { 200: json('Its event loop turns.', statusSchema, { status: 'ok' }) } },
    handler: async () => ({ status: availability(true) }),
  })
}

function availability(good: boolean): Availability {
  return good ? 'ok' : 'unavailable'
}
