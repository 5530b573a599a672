import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { restTypesPath, sealed } from './rest-types.ts'

/**
 * Generates the types of REST in the TypeScript client from openapi.yaml. openapi-typescript needs an older compiler
 * than the project has, so it is a dependency of the client's own package.
 */

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = createRequire(join(root, 'clients/typescript/package.json')).resolve('openapi-typescript/package.json')
const cli = join(dirname(manifest), 'bin/cli.js')
// A field of a request that has a default need not be given.
const options = ['--default-non-nullable=false']
const directory = mkdtempSync(join(tmpdir(), 'peergate-types-'))
try {
  const contract = join(root, 'openapi.yaml')
  const output = join(directory, 'openapi.ts')
  execFileSync(process.execPath, [cli, contract, '--output', output, ...options], { stdio: 'pipe' })
  writeFileSync(join(root, restTypesPath), sealed(readFileSync(output, 'utf8'), readFileSync(contract, 'utf8')))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
