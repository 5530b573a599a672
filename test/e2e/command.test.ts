import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { gatewayProgram } from '../fixtures/gateway-program.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** The command `peergate` as a client of a gateway, in a process of its own. */

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function begin(args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [gatewayProgram('peergate'), ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr, [code]]): Ended => ({ code, stdout, stderr }),
  )
  return { child, ended }
}

async function run(args: string[], env: Record<string, string>, input = ''): Promise<Ended> {
  const { child, ended } = begin(args, env)
  child.stdin.end(input)
  return await ended
}

/** The environment of a command for a gateway, without the contexts of whoever runs the tests. */
async function commandsOf(url: string): Promise<Record<string, string>> {
  return { PEERGATE_URL: url, XDG_CONFIG_HOME: await temporaryDirectory() }
}

test('publishes and reads back text, bytes and JSON, one or many', async () => {
  const gateway = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
  const env = await commandsOf(gateway.url)
  const [cursor, id] = (await run(['publish', 'orders', 'hello'], env)).stdout.trim().split('\t')
  expect(await createRest(gateway.url).history('topic=orders')).toMatchObject([{ cursor, id, data: 'hello' }])
  const lines = await run(['publish', 'many', '--lines'], env, Array.from({ length: 1_200 }, (_, number) => `line ${number}`).join('\n'))
  expect(lines.stdout.trim().split('\n')).toHaveLength(1_200)
  const all = await run(['history', 'many', '--template', '{data}'], env)
  expect(all.stdout).toBe(Array.from({ length: 1_200 }, (_, number) => `line ${number}\n`).join(''))
  expect(await run(['publish', 'json', '--ndjson'], env, '{"a": 1}\n[2]\nno json\n')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('line 3 is not JSON'),
  })
  const json = (await run(['history', 'json', '--json'], env)).stdout.trim().split('\n')
  expect(json.map((line): { data: string } => JSON.parse(line)).map(({ data }) => data)).toEqual(['{"a":1}', '[2]'])
  expect((await run(['history', 'm*', '-n', '3'], env)).code).toBe(1)
  expect((await run(['history', '-n', '3'], env)).stdout.trim().split('\n')).toHaveLength(3)
  const [head = '', ...top] = (await run(['top', '--once'], env)).stdout.split('\n')
  expect(head).toContain(`at ${gateway.url}, up`)
  expect(top).toContainEqual(expect.stringMatching(/^per second +0 published, /))
  expect(top).toContainEqual(expect.stringMatching(/^many +\S+ +\S+ +\S+ +1,200 /))
})

test('publishes each line as it comes, and each once while its gateway is killed and started again', async () => {
  const directory = await temporaryDirectory()
  const settings = { ...quietEnvironment(join(directory, 'data')), PEERGATE_HTTP_PORT: String(await freePort()) }
  let gateway: GatewayProcess = await startGateway(settings)
  onTestFinished(async () => {
    await gateway.end('SIGKILL')
  })
  const { child, ended } = begin(['publish', 'orders', '--lines', '--patience', '60'], await commandsOf(gateway.url))
  child.stdin.write('first\n')
  await expect.poll(async () => (await createRest(gateway.url).history('topic=orders')).length).toBe(1)
  const total = 3_000
  for (let number = 0; number < total; number++) {
    if (!child.stdin.write(`${number}\n`)) await once(child.stdin, 'drain')
    if (number % 1_000 === 500) {
      await gateway.end('SIGKILL')
      gateway = await startGateway(settings)
    }
  }
  child.stdin.end()
  expect((await ended).code).toBe(0)
  const log = await createRest(gateway.url).history('topic=orders')
  expect(log.map(({ data }) => data)).toEqual(['first', ...Array.from({ length: total }, (_, number) => String(number))])
})

/** What a follower prints of 2,000 messages while it is ended twenty times, run by run. */
async function printedThrough(signal: NodeJS.Signals): Promise<string[][]> {
  const gateway = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
  const env = await commandsOf(gateway.url)
  const follow = ['follow', 'orders', '--after', 'earliest', '--state', join(await temporaryDirectory(), 'state'), '--template', '{data}']
  const rest = createRest(gateway.url)
  const publishing = (async () => {
    for (let number = 0; number < 2_000; number++) await rest.publish('orders', String(number))
    await rest.publish('orders', 'end')
  })()
  const runs: string[][] = []
  const linesOf = ({ stdout }: Ended) => stdout.split('\n').slice(0, -1)
  for (let kills = 0; kills < 20; kills++) {
    const { child, ended } = begin(follow, env)
    await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
    await delay(kills * 10)
    child.kill(signal)
    runs.push(linesOf(await ended))
    if (runs.at(-1)?.at(-1) === 'end') return runs
  }
  await publishing
  const last = begin(follow, env)
  let seen = ''
  last.child.stdout.on('data', (data) => {
    seen += data
    if (/^end$/m.test(seen)) last.child.kill('SIGTERM')
  })
  runs.push(linesOf(await last.ended))
  return runs
}

const everything = [...Array.from({ length: 2_000 }, (_, number) => String(number)), 'end']

test('a follower that is ended twenty times prints each message once, in order', async () => {
  expect((await printedThrough('SIGTERM')).flat()).toEqual(everything)
})

test('a follower that is killed twenty times leaves none out, and repeats at most the one that it was printing', async () => {
  const runs = await printedThrough('SIGKILL')
  const printed: string[] = []
  for (const lines of runs) printed.push(...(lines[0] === printed.at(-1) ? lines.slice(1) : lines))
  expect(printed).toEqual(everything)
})

test('follows through a restart of its gateway, and runs a command for each message until one fails', async () => {
  const directory = await temporaryDirectory()
  const settings = { ...quietEnvironment(join(directory, 'data')), PEERGATE_HTTP_PORT: String(await freePort()) }
  const before = await startGateway(settings)
  const env = await commandsOf(before.url)
  await createRest(before.url).publish('orders', 'before')
  const { child, ended } = begin(['follow', 'orders', '--after', 'earliest', '--template', '{data}', '-n', '2'], env)
  const top = begin(['top', '--json'], env)
  const seen: { node?: { uptimeMs: number }; error?: { code: string } }[] = []
  createInterface(top.child.stdout).on('line', (line) => seen.push(JSON.parse(line)))
  await Promise.all([once(child.stdout, 'data'), once(top.child.stdout, 'data')])
  await before.end('SIGKILL')
  // `top` asks at an interval: a gateway that is back before the next question was never missed.
  await expect.poll(() => seen).toContainEqual(expect.objectContaining({ error: { code: 'connection_lost', message: expect.any(String) } }))
  const lost = seen.length
  const gateway = await gatewayForTest(settings)
  await createRest(gateway.url).publish('orders', 'after')
  expect(await ended).toMatchObject({ code: 0, stderr: expect.stringContaining('Trying again') })
  await expect.poll(() => seen.slice(lost)).toContainEqual(expect.objectContaining({ node: expect.anything() }))
  top.child.kill('SIGTERM')
  expect(await top.ended).toMatchObject({ code: 0, stderr: '' })
  const state = join(directory, 'state')
  const failing = [
    'follow',
    'orders',
    '--after',
    'earliest',
    '--state',
    state,
    '--exec',
    'read -r data; echo "got $data"; [ "$data" = before ]',
  ]
  expect(await run(failing, env)).toMatchObject({
    code: 1,
    stdout: 'got before\ngot after\n',
    stderr: expect.stringContaining('ended with 1'),
  })
  expect((await run([...failing.slice(0, -1), 'cat', '-n', '1'], env)).stdout).toBe('after')
})

test('serves requests and judges messages by programs', async () => {
  const [here, there] = [await temporaryDirectory(), await temporaryDirectory()]
  const server = await gatewayForTest(quietEnvironment(here))
  const other = await gatewayForTest({ ...quietEnvironment(there), PEERGATE_BOOTSTRAP: server.multiaddrs.join(',') })
  const ofServer = await commandsOf(server.url)
  const ofOther = await commandsOf(other.url)
  const serving = begin(['serve', 'shout', '--', 'tr', 'a-z', 'A-Z'], ofServer)
  const failing = begin(['serve', 'fails', '--', 'sh', '-c', 'echo no such thing >&2; exit 3'], ofServer)
  const judging = begin(['validate', 'orders', '--deadline', '2', '--', 'grep', '-q', 'good'], ofServer)
  onTestFinished(() => {
    for (const { child } of [serving, failing, judging]) child.kill('SIGKILL')
  })
  await Promise.all([serving, failing, judging].map(({ child }) => once(child.stderr, 'data')))
  expect((await run(['request', server.peerId, 'shout', 'hello'], ofOther)).stdout).toBe('HELLO')
  expect(await run(['request', server.peerId, 'fails', 'x'], ofOther)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no such thing'),
  })
  await createRest(server.url).call('PUT', '/v1/topics/orders')
  // A program that a busy machine begins late gives its verdict too late. `grep` ends with 1, which ignores.
  const judged = async () => {
    for (const data of ['bad', 'good']) await run(['publish', 'orders', data], ofOther)
    return (await run(['validators'], ofServer)).stdout
  }
  await expect.poll(judged, { timeout: 60_000 }).toMatch(/^orders\t1\t2000 ms\tignore\t\d+\t[1-9]\d*\t[1-9]\d*\t0\t/m)
  const log = async () => new Set((await createRest(server.url).history('topic=orders')).map(({ data }) => data))
  await expect.poll(log).toEqual(new Set(['good']))
  const services = (await run(['services'], ofServer)).stdout.split('\n').map((line) => line.split('\t').slice(0, 7))
  expect(services.slice(0, 2)).toEqual([
    ['fails', '1', '0 of 1', '0', '1', '0', '1'],
    ['shout', '1', '0 of 1', '0', '1', '1', '0'],
  ])
  serving.child.kill('SIGTERM')
  expect((await serving.ended).code).toBe(0)
})

test('a worker of a consumer that is told to end lets its program end, acknowledges, and takes no more', async () => {
  const directory = await temporaryDirectory()
  const gateway = await gatewayForTest(quietEnvironment(join(directory, 'data')))
  const env = await commandsOf(gateway.url)
  const rest = createRest(gateway.url)
  await rest.call('PUT', '/v1/consumers/billing', { topics: ['orders'] })
  for (const data of ['first', 'second']) await rest.publish('orders', data)
  const end = join(directory, 'end')
  const program = 'echo "$(cat) begun"; until [ -e "$0" ]; do sleep 0.05; done; echo ended'
  const { child, ended } = begin(['consumers', 'work', 'billing', '--', 'sh', '-c', program, end], env)
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  await writeFile(end, '')
  expect(await ended).toEqual({ code: 0, stdout: 'first begun\nended\n', stderr: 'Working for billing.\n' })
  const left = await rest.call('POST', '/v1/consumers/billing/pull', { limit: 9, waitMs: 20_000 })
  expect(left.body['items']).toMatchObject([{ attempt: 1, message: { data: 'second' } }])
})

test('says what went wrong, and by its exit code of what kind it was', async () => {
  const gateway = await gatewayForTest({ ...quietEnvironment(await temporaryDirectory()), PEERGATE_ADMIN_TOKEN: 'a-token-of-the-operator' })
  const env = await commandsOf(gateway.url)
  expect(await run(['node'], env)).toMatchObject({ code: 77, stdout: '', stderr: expect.stringContaining('(unauthorized)') })
  expect((await run(['node', '--json'], { ...env, PEERGATE_TOKEN: 'a-token-of-the-operator' })).code).toBe(0)
  expect(await run(['node', '--url', `http://127.0.0.1:${await freePort()}`], env)).toMatchObject({
    code: 69,
    stderr: expect.stringContaining('No gateway answers'),
  })
  expect(await run(['peers', 'fly'], env)).toMatchObject({ code: 64 })
  expect(await run(['history', '-n', 'x'], env)).toMatchObject({ code: 64, stderr: expect.stringContaining('above zero') })
})

test('knows gateways by names', async () => {
  const gateway = await gatewayForTest({ ...quietEnvironment(await temporaryDirectory()), PEERGATE_ADMIN_TOKEN: 'a-token-of-the-operator' })
  const env = { XDG_CONFIG_HOME: await temporaryDirectory() }
  expect(await run(['context', 'add', 'home', '--url', gateway.url, '--token', 'a-token-of-the-operator'], env)).toMatchObject({ code: 0 })
  const { stdout } = await run(['node', '--json'], env)
  expect(JSON.parse(stdout)).toMatchObject({ peerId: gateway.peerId })
  expect((await run(['context', 'list'], env)).stdout).toBe(`home\t${gateway.url}\tyes\tyes\n`)
  expect(await run(['node', '--context', 'away'], env)).toMatchObject({ code: 64 })
  expect(await run(['context', 'remove', 'home'], env)).toMatchObject({ code: 0 })
  expect((await run(['context', 'list'], env)).stdout).toBe('')
})

test('sends to a peer and waits until the peer has it, and asks its services', async () => {
  const recipient = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
  const sender = await gatewayForTest({
    ...quietEnvironment(await temporaryDirectory()),
    PEERGATE_BOOTSTRAP: recipient.multiaddrs.join(','),
  })
  const env = await commandsOf(sender.url)
  const sent = await run(['send', recipient.peerId, '-', '--wait'], env, 'for you')
  expect(sent).toMatchObject({ code: 0, stdout: expect.stringMatching(/\tdelivered\n$/) })
  expect(await createRest(recipient.url).history('kind=direct')).toMatchObject([{ data: 'for you' }])
  expect(await run(['request', recipient.peerId, 'echo', 'x'], env)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('service_not_found'),
  })
  expect((await run(['peers'], env)).stdout).toContain(`${recipient.peerId}\tconnected`)
})
