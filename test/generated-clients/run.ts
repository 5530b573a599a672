import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { buildClients } from './build-clients.ts'
import { clientNames, clientsVariable } from './built-clients.ts'

/**
 * `npm run test:clients`: builds the programs of `examples/clients` with clients that generators make of openapi.yaml,
 * for which it needs registries, then runs each with a gateway. The tests of clients in other languages run with them.
 */

/** Those that machines of CI may lack the tools for. */
const optional: readonly string[] = ['openapi-generator-rust']

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

const clients = await buildClients(say)
const missing = clientNames.filter((name) => 'missing' in clients[name] && !optional.includes(name))
if (process.env['CI'] === 'true' && missing.length > 0) {
  say(`CI needs them: ${missing.join(', ')}`)
  process.exit(1)
}

const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url))
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const child = spawn(process.execPath, [vitest, 'run', '--config', config, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, [clientsVariable]: JSON.stringify(clients) },
})
const [code] = await once(child, 'close')
process.exitCode = code ?? 1
