import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import { npmToolsOrSkip } from '../fixtures/npm-tools.ts'
import { runProgram } from '../fixtures/program.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const spectral = fileURLToPath(new URL('spectral', import.meta.url))

test('Spectral finds nothing in either document', async ({ skip }) => {
  const tools = await npmToolsOrSkip(spectral, skip)
  const command = join(tools, 'node_modules/@stoplight/spectral-cli/dist/index.js')
  const documents = ['openapi.yaml', 'asyncapi.yaml'].map((name) => join(repository, name))
  const lint = ['lint', '--ruleset', join(spectral, 'ruleset.yaml'), '--fail-severity', 'info', ...documents]
  await runProgram(process.execPath, [command, ...lint])
})
