import { z } from 'zod'
import { DatabaseDamaged, type PeergateError, StoreUnavailable, toPeergateError } from '../../errors.ts'
import { createDeadline, orAborted } from '../../lib/deadline.ts'
import type { LogStore } from '../../store/log-store.ts'
import { type App, declareRoute, json } from '../operation.ts'

/** State of the gateway that the probes report. */
export interface Probes {
  started(): boolean
  draining(): boolean
  store: Pick<LogStore, 'position'>
  /** Failure of the last write, if it failed. */
  writes: { readonly failure: PeergateError | undefined }
  /** Whether damaged pages of the database were found. */
  damaged(): boolean
}

/** Milliseconds within which an available database must answer. */
const databaseDeadlineMs = 1_000

const availabilitySchema = z
  .enum(['ok', 'unavailable'])
  .meta({ id: 'Availability', description: 'Whether the part is available.', example: 'ok' })
type Availability = z.infer<typeof availabilitySchema>

const statusSchema = z.object({ status: availabilitySchema }).meta({ id: 'Probe' })
const checksSchema = z
  .object({
    started: z.boolean(),
    draining: z.boolean(),
    database: availabilitySchema.describe(
      'Whether the database answers and accepted the last write. After 10 s without a write, one is tried.',
    ),
  })
  .meta({ id: 'Checks' })
const readinessSchema = z
  .object({
    status: availabilitySchema,
    checks: checksSchema,
    code: z
      .string()
      .max(100)
      .optional()
      .describe(
        'Code of the error that the last write failed with, such as `database_full`; `database_damaged` once damaged pages were found.',
      ),
    reason: z.string().max(1_000).optional().describe('Description of the error `code`, for people.'),
  })
  .meta({ id: 'Readiness' })

export const probeContract = {
  probeStarted: declareRoute({
    method: 'GET',
    url: '/startedz',
    config: {
      operation: {
        action: 'none',
        operationId: 'probeStarted',
        summary: 'Check whether the gateway has started',
        tag: 'Probes',
        anyHost: true,
      },
    },
    schema: {
      response: {
        200: json('The database is migrated, and the gateway listens.', statusSchema, { status: 'ok' }),
        503: json('The gateway has not started yet.', statusSchema, { status: 'unavailable' }),
      },
    },
  }),
  probeReady: declareRoute({
    method: 'GET',
    url: '/readyz',
    config: {
      operation: {
        action: 'none',
        operationId: 'probeReady',
        summary: 'Check whether the gateway is ready for clients',
        tag: 'Probes',
        anyHost: true,
      },
    },
    schema: {
      response: {
        200: json('The gateway has started, is not stopping, and its database accepts writes.', readinessSchema, {
          status: 'ok',
          checks: { started: true, draining: false, database: 'ok' },
        }),
        503: json('The gateway has not started, is stopping, or its database does not answer or accept writes.', readinessSchema, {
          status: 'unavailable',
          checks: { started: true, draining: false, database: 'unavailable' },
          code: 'database_full',
          reason: 'The disk of the database is full. Reads still work.',
        }),
      },
    },
  }),
  probeHealthy: declareRoute({
    method: 'GET',
    url: '/healthz',
    config: {
      operation: {
        action: 'none',
        operationId: 'probeHealthy',
        summary: 'Check whether the process is alive',
        tag: 'Probes',
        anyHost: true,
      },
    },
    schema: { response: { 200: json('The event loop runs.', statusSchema, { status: 'ok' }) } },
  }),
}

export function probeRoutes(app: App, components: { probes: Probes }): void {
  const { probes } = components

  app.route({
    ...probeContract.probeStarted,
    handler: async (_request, reply) => {
      const started = probes.started()
      reply.code(started ? 200 : 503)
      return { status: availability(started) }
    },
  })

  app.route({
    ...probeContract.probeReady,
    handler: async (_request, reply) => {
      const failure = await databaseFailure(probes)
      const checks = { started: probes.started(), draining: probes.draining(), database: availability(failure === undefined) }
      const ready = checks.started && !checks.draining && failure === undefined
      reply.code(ready ? 200 : 503)
      const why = failure === undefined ? {} : { code: failure.code, reason: failure.message }
      return { status: availability(ready), checks, ...why }
    },
  })

  app.route({
    ...probeContract.probeHealthy,
    handler: async () => ({ status: availability(true) }),
  })
}

/** The problem of the database: from the last write, or from a read now. */
export async function databaseFailure(probes: Pick<Probes, 'store' | 'writes' | 'damaged'>): Promise<PeergateError | undefined> {
  if (probes.writes.failure !== undefined) return probes.writes.failure
  if (probes.damaged()) return new DatabaseDamaged('Pages of the database are damaged.')
  using deadline = createDeadline(databaseDeadlineMs, [])
  try {
    await orAborted(probes.store.position(), deadline.signal)
    return undefined
  } catch (error) {
    return deadline.isOver ? new StoreUnavailable('The database does not answer.') : toPeergateError(error)
  }
}

function availability(good: boolean): Availability {
  return good ? 'ok' : 'unavailable'
}
