import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { buildPeers } from './build-peers.ts'
import { type Peers, peerKinds, peersVariable } from './built-peers.ts'
import { aloneVariable, ownNetwork } from './own-network.ts'

/**
 * `npm run test:interop`, with words of the test files to run as arguments: builds the peers, for which it needs registries, then runs the
 * matrix in a network in which nothing else is. `PEERGATE_INTEROP=all` builds Kubo too.
 */

/** Those that every machine of CI has to have. */
const required = ['go', 'python'] as const

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function tell(peers: Peers): void {
  for (const kind of peerKinds) {
    const peer = peers[kind]
    say('missing' in peer ? `${kind} is left out: ${peer.missing}` : `${kind}: ${peer.version}`)
  }
}

const files = process.argv.slice(2)
const peers = await buildPeers({ kubo: process.env['PEERGATE_INTEROP'] === 'all' }, say)
tell(peers)
const missing = required.filter((kind) => 'missing' in peers[kind])
if (process.env['CI'] === 'true' && missing.length > 0) {
  say(`CI needs them: ${missing.join(', ')}`)
  process.exit(1)
}

const network = await ownNetwork()
const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url))
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const [command = process.execPath, ...args] = [...(network ?? []), process.execPath, vitest, 'run', '--config', config, ...files]
const child = spawn(command, args, {
  stdio: 'inherit',
  env: {
    ...process.env,
    [peersVariable]: JSON.stringify(peers),
    [aloneVariable]: String(network !== undefined),
    PEERGATE_INTEROP_TABLE: String(files.length === 0),
  },
})
const [code] = await once(child, 'close')
process.exitCode = code ?? 1
