import { join } from 'node:path'
import { pino } from 'pino'
import { z } from 'zod'
import { createTokens, type Tokens } from '../../access/tokens.ts'
import { loadConfig } from '../../config/config.ts'
import { AdminTokenNeeded } from '../../errors.ts'
import { issueText } from '../../lib/issue-text.ts'
import { makeDirectory } from '../../lib/startup-error.ts'
import { tokenInputSchema } from '../../model/token.ts'
import { createStore } from '../../store/create-store.ts'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed, Misuse } from '../failures.ts'

/** @throws Misuse when it is not what a token has */
export async function createToken(given: object) {
  const input = tokenInputSchema.safeParse(given, { error: issueText })
  if (!input.success) throw new Misuse(z.prettifyError(input.error))
  return await withTokens((tokens) => tokens.create(input.data))
}

/** Uses the tokens of the configured database, whether or not a gateway is running. */
export async function withTokens<T>(use: (tokens: Tokens) => Promise<T>): Promise<T> {
  const config = loadConfig(process.env)
  makeDirectory(config.dataDir, 'PEERGATE_DATA_DIR')
  await using store = await createStore(
    { ...config.store, servedMarkFile: join(config.dataDir, 'served') },
    { logger: pino({ level: 'silent' }) },
  )
  await store.start()
  const { adminToken, adminTokenFile, jwt } = config.access
  // Only the existence of another way to administer the gateway matters here, so the operator's file is not read.
  const hasOther = adminTokenFile !== undefined || jwt.jwksUrl !== undefined || jwt.secret !== undefined
  try {
    return await use(createTokens({ adminToken, hasProvider: hasOther, limits: config.limits }, { store }))
  } catch (error) {
    if (!(error instanceof AdminTokenNeeded)) throw error
    const hint = 'If the gateway has a token from its environment (PEERGATE_ADMIN_TOKEN, or PEERGATE_ADMIN_TOKEN_FILE), set it here too.'
    throw new CommandFailed(`${error.message}\n${hint}`, exitCodes.failure, { cause: error })
  }
}
