#!/usr/bin/env node
// The command of the package. It runs on the Node of the host if that is new enough, else on the one that comes as a package.
// This file has to be understood by every Node that may start it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const needed = 24
const program = fileURLToPath(new URL('../dist/peergate.js', import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= needed) await import('../dist/peergate.js')
else await runOnPackagedNode()

async function runOnPackagedNode() {
  const packaged = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin/node')
  if (!existsSync(packaged)) {
    process.stderr.write(
      `Peergate needs Node ${needed} or newer. This is ${process.version}, and the package "node" was installed without its program: install it with scripts allowed, or a newer Node.\n`,
    )
    process.exit(1)
  }
  const child = spawn(packaged, [program, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends these to the child too: a second one would end it at once.
  const forwarded = (signal) => signal === 'SIGTERM' || !process.stdin.isTTY
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => forwarded(signal) && child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]))
}
