import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npmTools } from '../fixtures/npm-tools.ts'

/** Judges openapi.yaml and asyncapi.yaml by the rules of Redocly, for `npm run check`. The first run installs it. */
const redocly = fileURLToPath(new URL('redocly', import.meta.url))
const command = join(await npmTools(redocly), 'node_modules/@redocly/cli/bin/cli.js')
const lint = ['lint', 'requests', 'stream', '--config', join(redocly, 'redocly.yaml')]
const [code] = await once(spawn(process.execPath, [command, ...lint], { stdio: 'inherit' }), 'close')
process.exitCode = code ?? 1
