import { z } from 'zod'

export const errorDetailSchema = z
  .object({ path: z.string(), message: z.string() })
  .meta({ id: 'ErrorDetail', description: 'One problem in a request: of the field, parameter or address that `path` names.' })
