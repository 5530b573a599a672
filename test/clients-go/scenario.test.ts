import { cp, readFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, type TestContext, test } from 'vitest'
import { clientScenario, scenario } from '../fixtures/client-scenario.ts'
import { fingerprint } from '../fixtures/fingerprint.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { startPlayer } from '../fixtures/player-program.ts'
import { startProgram } from '../fixtures/program.ts'
import { startRelay } from '../fixtures/relay.ts'
import { createRest } from '../fixtures/rest.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { keptBuild } from '../generated-clients/kept-build.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const contract = join(repository, 'openapi.yaml')
const example = join(repository, 'examples/go/')
const player = join(repository, 'test/clients-go/player/')
const made = ['bin', 'peergate']

let building: Promise<string> | undefined

/** Builds the example, with the player as one more of its programs. @returns the directory of the programs */
function programs(skip: TestContext['skip']): Promise<string> {
  building ??= build(skip)
  return building
}

async function build(skip: TestContext['skip']): Promise<string> {
  const go = await runCommand('go', ['version']).catch(() => skip('there is no go'))
  const further = [arch(), go, await fingerprint(player, ''), await readFile(contract, 'utf8')]
  const at = await keptBuild('go-example', await fingerprint(example, further.join('\0'), made), async (into) => {
    await cp(example, into, { recursive: true, filter: (path) => !made.some((entry) => path.startsWith(join(example, entry))) })
    await cp(player, join(into, 'player'), { recursive: true })
    await runCommand('sh', ['build.sh', contract], { cwd: into })
    await runCommand('go', ['vet', './stream', './follow', './player'], { cwd: into })
  })
  return join(at, 'bin')
}

const { play } = clientScenario()

test(scenario, async ({ skip }) => {
  const bin = await programs(skip)
  await play((urls) => startPlayer(join(bin, 'player'), urls))
})

test('follow prints every message once, in order, through a lost connection', async ({ skip }) => {
  const bin = await programs(skip)
  const gateway = await gatewayForTest(quietEnvironment(join(await temporaryDirectory(), 'data')))
  const [rest, relay] = [createRest(gateway.url), await startRelay(gateway.url)]
  await rest.publish('orders', 'stored')
  const { lines } = startProgram(join(bin, 'follow'), ['orders', relay.url])
  await expect.poll(() => lines).toEqual(['stored'])
  relay.cut()
  await rest.publish('orders', 'missed')
  await expect.poll(() => lines).toEqual(['stored', 'missed'])
})
