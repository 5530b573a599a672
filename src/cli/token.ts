import { join } from 'node:path'
import { stdout } from 'node:process'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { z } from 'zod'
import { createTokens } from '../access/tokens.ts'
import { loadConfig } from '../config/config.ts'
import { AdminTokenNeeded } from '../errors.ts'
import { issueText } from '../lib/issue-text.ts'
import { makeDirectory } from '../lib/startup-error.ts'
import { tokenInputSchema } from '../model/token.ts'
import { createStore } from '../store/create-store.ts'
import { Misuse, runCommand } from './command.ts'

/**
 * The command `npm run token`: creates, lists and revokes access tokens in the configured database, whether or not a
 * gateway is running: `npm run token -- create --name till --actions read,publish --topics 'orders.>' --expires
 * 2027-01-01T00:00:00Z`.
 */

const usage = `npm run token -- create --name <name> --actions <action,…> [--topics <pattern,…>] [--expires <RFC 3339 time>]
npm run token -- list
npm run token -- revoke <id>`

async function run(args: string[]): Promise<void> {
  const { values, positionals } = parse(args)
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
  const tokens = createTokens({ adminToken, hasProvider: hasOther, limits: config.limits }, { store })
  const [command, id, ...rest] = positionals
  if (rest.length > 0) throw new Misuse()
  switch (command) {
    case 'create': {
      const given = {
        name: values.name,
        actions: values.actions?.split(','),
        ...(values.topics === undefined ? {} : { topics: values.topics.split(',') }),
        expiresAt: values.expires,
      }
      const input = tokenInputSchema.safeParse(given, { error: issueText })
      if (!input.success || id !== undefined) throw new Misuse(input.success ? '' : z.prettifyError(input.error))
      const { token, secret } = await tokens.create(input.data)
      stdout.write(`${secret}\n`)
      process.stderr.write(
        `${token.id} "${token.name}": ${token.actions.join(', ')} on ${token.topics.join(', ')}. The secret is shown only once.\n`,
      )
      return
    }
    case 'list':
      for (const token of await tokens.list()) stdout.write(`${JSON.stringify(token)}\n`)
      return
    case 'revoke':
      if (id === undefined) throw new Misuse()
      return await tokens.revoke(id)
    default:
      throw new Misuse()
  }
}

function parse(args: string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({ args, options: { name: text, actions: text, topics: text, expires: text }, allowPositionals: true })
  } catch (cause) {
    throw new Misuse(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

await runCommand({
  usage,
  run,
  hint: (error) =>
    error instanceof AdminTokenNeeded
      ? '\nIf the gateway has a token from its environment (PEERGATE_ADMIN_TOKEN, or PEERGATE_ADMIN_TOKEN_FILE), set it here too.'
      : '',
})
