import { z } from 'zod'
import { peerIdSchema } from './peer.ts'

/** The name of a service that a client provides. */
export const serviceSchema = z
  .string()
  .regex(/^[\w.~-]{1,128}$/, 'must have 1 to 128 letters, digits or -._~')
  .meta({ id: 'Service', description: 'Name of a service: 1–128 letters, digits or `-._~`.', maxLength: 128, example: 'prices' })

const count = (what: string) => z.int().min(0).describe(what)

/** A service that clients of a gateway provide, as other clients see it. */
export const serviceViewSchema = z
  .object({
    service: serviceSchema,
    providers: z.int().min(1).describe('Client connections that provide it.'),
    concurrency: count('Requests that they take at a time, together.'),
    open: count('Requests that they work on.'),
    waiting: count('Requests that wait for a free provider.'),
    requests: count('Requests that were given to providers since `since`.'),
    answers: count('Those of them that were answered.'),
    failures: count('Those of them that were answered with an error.'),
    since: z.iso.datetime().describe('Since when the service has had a provider here without a break.'),
    gateway: peerIdSchema.describe('The gateway that responds, and whose clients provide the service.'),
  })
  .meta({ id: 'ServiceView', description: 'A service that clients of this gateway provide.' })
export type ServiceView = z.infer<typeof serviceViewSchema>
