import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment, StartFailed, startGateway } from '../fixtures/gateway-process.ts'
import { runCommand } from '../fixtures/operator-command.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** The commands of an operator, each in a process of its own, as the scripts of package.json run them. */

describe('token', () => {
  test('makes the first token before the gateway has ever run, which then starts where others can reach it', async () => {
    const env = { ...quietEnvironment(await temporaryDirectory()), PEERGATE_HTTP_HOST: '0.0.0.0' }
    const refused = await startGateway(env).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(StartFailed)
    expect(String(refused)).toMatch(/peergate (-- )?token create/)
    const create = (name: string, actions: string) =>
      runCommand('token', ['create', '--name', name, '--actions', actions, '--topics', 'orders.*'], env)
    expect(await create('till', 'read,publish')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('must allow "admin"'),
    })
    expect((await create('admin', 'admin')).code).toBe(0)
    const made = await create('till', 'read,publish')
    expect(made).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^peergate_[\w-]{43}\n$/),
      stderr: expect.stringContaining('"till"'),
    })
    const gateway = await gatewayForTest(env)
    const url = gateway.url.replace('0.0.0.0', '127.0.0.1')
    const publish = async (topic: string, secret: string) =>
      (
        await fetch(`${url}/v1/topics/${topic}/messages`, {
          method: 'POST',
          headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
          body: '{"data":"x"}',
        })
      ).status
    const secret = made.stdout.trim()
    expect([await publish('orders.1', secret), await publish('news', secret), await publish('orders.1', 'guess')]).toEqual([201, 403, 401])
    const [admin, till] = (await runCommand('token', ['list'], env)).stdout.split('\n', 2).map((line): { id: string } => JSON.parse(line))
    expect((await runCommand('token', ['revoke', till?.id ?? ''], env)).code).toBe(0)
    expect((await runCommand('token', ['revoke', till?.id ?? ''], env)).code).toBe(1)
    expect(await runCommand('token', ['revoke', admin?.id ?? ''], env)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('last token'),
    })
  })

  test('is made as the README says, in its order', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const lines = [...readme.matchAll(/^npm run token -- ([^#\n]+)/gm)].map(([, line = '']) => line.trim().replaceAll("'", '').split(' '))
    expect(lines.length).toBeGreaterThan(1)
    const env = quietEnvironment(await temporaryDirectory())
    for (const line of lines) expect(await runCommand('token', line, env)).toMatchObject({ code: 0 })
  })

  test('of a gateway with a token from its environment is made by a command that has it too, and by none that has not', async () => {
    const env = quietEnvironment(await temporaryDirectory())
    const create = ['create', '--name', 'till', '--actions', 'read']
    expect(await runCommand('token', create, env)).toMatchObject({ code: 1, stderr: expect.stringContaining('PEERGATE_ADMIN_TOKEN') })
    expect(await runCommand('token', create, { ...env, PEERGATE_ADMIN_TOKEN: 'a-token-of-the-operator' })).toMatchObject({ code: 0 })
  })

  test.each([[['create', '--name', 'x']], [['create', '--name', 'x', '--actions', 'fly']], [['revoke']], [['--nonsense']], [[]]])(
    'says how it is used: %j',
    async (args) => {
      const ended = await runCommand('token', args, quietEnvironment(await temporaryDirectory()))
      expect(ended).toMatchObject({
        code: 64,
        stdout: '',
        stderr: expect.stringMatching(/^Usage: peergate token|^See: peergate token create --help$/m),
      })
    },
  )
})

describe('database', () => {
  test('a backup of a running gateway, restored, is a new epoch: its messages are there, and cursors of before are refused by name', async () => {
    const directory = await temporaryDirectory()
    const env = quietEnvironment(join(directory, 'data'))
    const copy = join(directory, 'copy.db')
    const before = await startGateway(env)
    const kept = await createRest(before.url).publish('orders', 'kept')
    expect((await runCommand('database', ['backup', copy], env)).code).toBe(0)
    await createRest(before.url).publish('orders', 'lost')
    expect(await runCommand('database', ['backup', copy], env)).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('does not overwrite files'),
    })
    expect(await runCommand('database', ['restore', copy], env)).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('running gateway'),
    })
    await before.end('SIGTERM')
    expect((await runCommand('database', ['restore', copy], env)).code).toBe(0)
    // Also where nothing tells how far the log was served.
    const elsewhere = quietEnvironment(join(directory, 'elsewhere'))
    expect((await runCommand('database', ['restore', copy], elsewhere)).code).toBe(0)
    for (const each of [env, elsewhere]) {
      const rest = createRest((await gatewayForTest(each)).url)
      expect((await rest.history('topic=orders')).map(({ data }) => data)).toEqual(['kept'])
      const { status, body } = await rest.call('GET', `/v1/topics/orders/messages?after=${kept.cursor}`)
      expect([status, body['code']]).toEqual([409, 'cursor_epoch_mismatch'])
      expect((await rest.call('POST', '/v1/topics/orders/messages', { data: 'after' })).status).toBe(201)
    }
  })

  test('what is no database is not restored, and what was there stays', async () => {
    const directory = await temporaryDirectory()
    const env = quietEnvironment(join(directory, 'data'))
    const before = await startGateway(env)
    await createRest(before.url).publish('orders', 'kept')
    await before.end('SIGTERM')
    await writeFile(join(directory, 'nonsense'), 'this is no database, whatever its name says'.repeat(100))
    expect((await runCommand('database', ['restore', join(directory, 'nonsense')], env)).code).not.toBe(0)
    const rest = createRest((await gatewayForTest(env)).url)
    expect((await rest.history('topic=orders')).map(({ data }) => data)).toEqual(['kept'])
  })

  test('is brought up to date by hand where gateways must not', async () => {
    const env = { ...quietEnvironment(await temporaryDirectory()), PEERGATE_MIGRATE: 'false' }
    await expect(startGateway(env)).rejects.toThrow(/peergate (-- )?database migrate/)
    for (let round = 0; round < 2; round++) {
      expect(await runCommand('database', ['migrate'], env)).toMatchObject({ code: 0, stdout: 'the database is up to date\n' })
    }
    expect((await fetch(`${(await gatewayForTest(env)).url}/readyz`)).status).toBe(200)
  })

  test.each([[['backup']], [['migrate', 'x']], [['new-epoch', 'x']], [['check', 'x']], [['forget']], [[]]])(
    'says how it is used: %j',
    async (args) => {
      const ended = await runCommand('database', args, quietEnvironment(await temporaryDirectory()))
      expect(ended).toMatchObject({ code: 64, stderr: expect.stringMatching(/^Usage: peergate database/m) })
    },
  )
})
