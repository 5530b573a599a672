import { z } from 'zod'

/** The name of a service that a client provides. */
export const serviceSchema = z
  .string()
  .regex(/^[\w.~-]{1,128}$/, 'must have 1 to 128 letters, digits or -._~')
  .meta({ id: 'Service', description: 'Name of a service: 1–128 letters, digits or `-._~`.', maxLength: 128, example: 'prices' })
