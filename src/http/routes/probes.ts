import { z } from 'zod'
import { DatabaseDamaged, type PeergateError, StoreUnavailable, toPeergateError } from '../../errors.ts'
import type { LogStore } from '../../store/log-store.ts'
import { type App, json } from '../operation.ts'

/** What the probes ask of the gateway. */
export interface Probes {
  started(): boolean
  draining(): boolean
  store: Pick<LogStore, 'position'>
  /** Of the last write. */
  writes: { readonly failure: PeergateError | undefined }
  /** Whether pages of the database were found broken. */
  damaged(): boolean
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
      database: availabilitySchema.describe('Whether it answers, and has taken the last write; one is tried when there was none for 10 s.'),
    }),
    code: z
      .string()
      .max(100)
      .optional()
      .describe(
        'Of the error that the last write failed with, such as `database_full`; `database_damaged` from when broken pages were found.',
      ),
    reason: z.string().max(1_000).optional().describe('The same in words.'),
  })
  .meta({ id: 'Readiness' })

export function probeRoutes(app: App, components: { probes: Probes }): void {
  const { probes } = components

  /** What is wrong with the database: by the last write, or by a read now. */
  async function databaseFailure(): Promise<PeergateError | undefined> {
    if (probes.writes.failure !== undefined) return probes.writes.failure
    if (probes.damaged()) return new DatabaseDamaged('Pages of the database are damaged.')
    const { promise: late, resolve } = Promise.withResolvers<PeergateError>()
    const silent = new StoreUnavailable('The database does not answer.')
    const deadline = setTimeout(resolve, databaseDeadlineMs, silent)
    const asked = probes.store.position().then(() => undefined, toPeergateError)
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
        200: json('It has started, does not stop, and its database takes writes.', readinessSchema, {
          status: 'ok',
          checks: { started: true, draining: false, database: 'ok' },
        }),
        503: json('It has not started, is stopping, or its database does not answer or takes no writes.', readinessSchema, {
          status: 'unavailable',
          checks: { started: true, draining: false, database: 'unavailable' },
          code: 'database_full',
          reason: 'The disk of the database is full. It is read as before.',
        }),
      },
    },
    handler: async (_request, reply) => {
      const failure = await databaseFailure()
      const checks = { started: probes.started(), draining: probes.draining(), database: availability(failure === undefined) }
      const ready = checks.started && !checks.draining && failure === undefined
      reply.code(ready ? 200 : 503)
      const why = failure === undefined ? {} : { code: failure.code, reason: failure.message }
      return { status: availability(ready), checks, ...why }
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
