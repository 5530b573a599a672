import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import { clientScenario, scenario } from '../fixtures/client-scenario.ts'
import { startPlayer } from '../fixtures/player-program.ts'
import { clientPython, clientVariables } from './environment.ts'

const { play } = clientScenario()

test(scenario, async ({ skip }) => {
  const python = await clientPython(skip)
  const program = fileURLToPath(new URL('scenario.py', import.meta.url))
  await play((urls) => startPlayer(python, [program, ...urls], clientVariables))
})
