import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Finding, findingsSchema } from '../../src/model/finding.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { gatewayProgram } from '../fixtures/gateway-program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** What `peergate doctor` finds, by what was looked at, and its exit code. */
async function doctor(env: Record<string, string>): Promise<{ code: number; states: Record<string, string>; findings: Finding[] }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string }>()
  execFile(process.execPath, [gatewayProgram('peergate'), 'doctor', '--json'], { env }, (error, stdout) =>
    resolve({ code: Number(error?.code ?? 0), stdout }),
  )
  const { code, stdout } = await promise
  const findings = stdout
    .trim()
    .split('\n')
    .map((line): Finding => JSON.parse(line))
  return { code, findings, states: Object.fromEntries(findings.map(({ check, state }) => [check, state])) }
}

test('finds nothing wrong with a gateway that runs, and what would stop one that does not', async () => {
  const directory = await temporaryDirectory()
  const settings = { ...quietEnvironment(join(directory, 'data')), XDG_CONFIG_HOME: directory }
  const gateway = await gatewayForTest(settings)
  const running = await doctor({ ...settings, PEERGATE_URL: gateway.url })
  expect(running.states).toMatchObject({ configuration: 'ok', ports: 'ok', database: 'ok', proxy: 'ok', gateway: 'ok', reachability: 'ok' })
  expect(running.code).toBe(0)
  await fetch(gateway.url, { headers: { 'x-forwarded-for': '192.0.2.7' } })
  const behindProxy = await doctor({ ...settings, PEERGATE_URL: gateway.url })
  expect(behindProxy.findings.filter(({ state }) => state === 'warning')).toMatchObject([{ check: 'proxy' }])
  const own = findingsSchema.parse(await (await fetch(`${gateway.url}/v1/node/findings`)).json())
  expect(own.findings.map(({ check }) => check)).toEqual([
    'configuration',
    'clock',
    'disk',
    'descriptors',
    'database',
    'proxy',
    'reachability',
  ])

  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const broken = await doctor({
    ...settings,
    PEERGATE_URL: 'http://127.0.0.1:1',
    PEERGATE_DATA_DIR: join(directory, 'other'),
    PEERGATE_HTTP_PORT: String(address.port),
    DATABASE_URL: `file:${directory}`,
  })
  expect(broken.states).toMatchObject({ ports: 'problem', database: 'problem', gateway: 'ok' })
  expect(broken.code).toBe(1)

  const misconfigured = await doctor({ ...settings, PEERGATE_HTTP_PORT: 'x' })
  expect(misconfigured.findings[0]).toMatchObject({
    check: 'configuration',
    state: 'problem',
    detail: expect.stringContaining('PEERGATE_HTTP_PORT'),
  })
  expect(misconfigured.code).toBe(1)
})
