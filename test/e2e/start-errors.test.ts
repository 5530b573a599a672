import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loopback, quietEnvironment, StartFailed, startGateway } from '../fixtures/gateway-process.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** What an operator reads when a gateway can't start: one sentence, with the path and what to do, and the exit code 78 (EX_CONFIG). */

/** Runs what follows as another user: `nobody` of most systems, in no other group. */
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
const canBeNobody = process.getuid?.() === 0 && hasSetpriv()

function hasSetpriv(): boolean {
  try {
    execFileSync('setpriv', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The last line that a gateway prints which does not start. */
async function refusal(env: Record<string, string>, under: string[] = []): Promise<string> {
  try {
    const gateway = await startGateway(env, under)
    await gateway.end('SIGKILL')
  } catch (error) {
    if (!(error instanceof StartFailed)) throw error
    expect(error.output).not.toMatch(/"stack"|\bat .*\.ts:/)
    expect(error.code, error.output).toBe(78)
    return error.output.trim().split('\n').at(-1) ?? ''
  }
  throw new Error('the gateway started')
}

/** A port that is in use while the test runs. */
async function usedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

test.each(['custom', 'libp2p'] as const)('a port in use, and an address of another machine, are named (%s)', async (engine) => {
  const port = await usedPort()
  const listen = (address: string) => loopback[engine].replace('127.0.0.1', address)
  const taken = loopback[engine].replace('tcp/0', `tcp/${port}`)
  const cases: Array<[Record<string, string>, RegExp]> = [
    [{ PEERGATE_LISTEN: taken }, /The node can't listen on .*another program has the port.*PEERGATE_LISTEN/],
    [{ PEERGATE_LISTEN: listen('192.0.2.1') }, /The node can't listen on .*this machine has no such address.*PEERGATE_LISTEN/],
    [{ PEERGATE_HTTP_PORT: String(port) }, new RegExp(`HTTP can't listen on 127.0.0.1:${port}: another program.*PEERGATE_HTTP_PORT`)],
    [{ PEERGATE_METRICS_PORT: String(port) }, /metrics can't listen on .*another program.*PEERGATE_METRICS_PORT/],
  ]
  const tried = (engine === 'custom' ? cases : cases.slice(0, 2)).map(async ([env, sentence]) =>
    expect(await refusal({ ...quietEnvironment(await temporaryDirectory(), engine), ...env })).toMatch(sentence),
  )
  await Promise.all(tried)
})

test('a database that can not be reached, or is none, is named, without its password', async () => {
  const directory = await temporaryDirectory()
  const other = join(directory, 'other.db')
  writeFileSync(other, 'this is no database, and longer than the header of one would be'.repeat(20))
  const away = await refusal({ ...quietEnvironment(directory), DATABASE_URL: 'postgresql://user:hidden@127.0.0.1:1/log' })
  expect(away).toMatch(/user@127\.0\.0\.1:1\/log can't be used .*ECONNREFUSED.*start it, or correct the URL/)
  expect(away).not.toContain('hidden')
  expect(await refusal({ ...quietEnvironment(directory), DATABASE_URL: `file:${other}` })).toMatch(
    /other\.db .*it is not a SQLite database/,
  )
})

describe.runIf(canBeNobody)('files of another user are named (needs root and setpriv)', () => {
  test.each<[string, string, RegExp]>([
    ['the data directory', '', /The directory .*data is not accessible .*PEERGATE_DATA_DIR/],
    ['the key', 'peer.key', /The key .*peer\.key \(PEERGATE_KEY_FILE\) is not readable/],
    ['the state of the key', 'peer.key.state', /The key's state file .*peer\.key\.state can't be written/],
    ['the database', 'peergate.db', /The database .*peergate\.db can't be used .*make the user of the gateway/],
    ['the mark of what was served', 'served', /The file .*served can't be written/],
  ])('%s', async (_, file, sentence) => {
    const directory = await temporaryDirectory()
    chmodSync(directory, 0o755)
    const data = join(directory, 'data')
    mkdirSync(data)
    chmodSync(data, file === '' ? 0o700 : 0o777)
    if (file !== '') writeFileSync(join(data, file), '', { mode: 0o600 })
    expect(await refusal(quietEnvironment(data), asNobody)).toMatch(sentence)
  })
})
