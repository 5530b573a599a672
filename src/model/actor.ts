import { z } from 'zod'

/** Who did something, as clients see it. */
export const actorSchema = z
  .string()
  .describe(
    'Id of the token that was used; `operator` for the configured admin token, `sub:…` for a subject of the identity provider, `anyone` without tokens.',
  )
