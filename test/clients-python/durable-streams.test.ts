import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import { clientScenario, scenario } from '../fixtures/client-scenario.ts'
import { startPlayer } from '../fixtures/player-program.ts'
import { pythonEnvironment } from '../fixtures/python-environment.ts'

const packages = ['durable-streams==0.1.0', 'httpx==0.28.1']
const { play } = clientScenario()

test.for(['sse', 'long-poll'])(`the client of the Durable Streams protocol, live=%s: ${scenario}`, async (live, { skip }) => {
  const python = join(await pythonEnvironment(packages, skip), 'bin/python')
  const program = fileURLToPath(new URL('durable_streams_scenario.py', import.meta.url))
  await play((urls) => startPlayer(python, [program, live, ...urls]))
})
