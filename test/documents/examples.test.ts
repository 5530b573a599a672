import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Page } from 'playwright-core'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import { executablePath } from '../fixtures/chromium.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { canRun, runProgram, startProgram } from '../fixtures/program.ts'
import { pythonEnvironment } from '../fixtures/python-environment.ts'
import { type Relay, startRelay } from '../fixtures/relay.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** A gateway, asked directly, and a relay in front of it for the example. */
async function start(
  env: Record<string, string> = {},
): Promise<{ gateway: GatewayProcess; rest: Rest; relay: Relay; data(): Promise<string[]> }> {
  const gateway = await gatewayForTest({ ...quietEnvironment(join(await temporaryDirectory(), 'data')), ...env })
  const rest = createRest(gateway.url)
  const data = async () => (await rest.history('topic=orders')).map((message) => String(message.data))
  return { gateway, rest, relay: await startRelay(gateway.url), data }
}

/** A gateway that is linked to that one. */
async function startLinked({ multiaddrs }: GatewayProcess): Promise<{ rest: Rest }> {
  const { rest } = await start()
  expect(await rest.call('POST', '/v1/peers', { multiaddr: multiaddrs[0] })).toMatchObject({ status: 201 })
  return { rest }
}

function example(name: string): string {
  return fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))
}

test('curl.sh joins, publishes, publishes once with a key, and reads back (needs bash and curl)', async ({ skip }) => {
  skip(!(await canRun('bash', ['-c', 'curl --version'])), 'there is no bash, or no curl')
  const { relay, rest, data } = await start()
  const printed = await runProgram('bash', [example('curl.sh'), relay.url])
  expect(await data()).toEqual(['hello', expect.any(String), 'once'])
  expect(printed.match(/^idempotent-replayed: .*$/gm)).toEqual(['idempotent-replayed: ', 'idempotent-replayed: true'])
  const page: { items: unknown[]; caughtUp: boolean } = JSON.parse(printed.split('\n').at(-1) ?? '')
  expect(page).toEqual({ items: await rest.history('topic=orders'), newer: expect.any(String), older: expect.any(String), caughtUp: true })
})

test('publish.py publishes once although the first answer is lost (needs python3)', async ({ skip }) => {
  skip(!(await canRun('python3', ['--version'])), 'there is no python3')
  const { relay, rest } = await start()
  relay.loseNextAnswer()
  const { id } = JSON.parse(await runProgram('python3', [example('publish.py'), 'orders', 'hällo', relay.url]))
  expect(relay.connections).toBe(2)
  expect(await rest.history('topic=orders')).toMatchObject([{ id, data: 'hällo' }])
})

test('publish.py ends with the code of a refusal (needs python3)', async ({ skip }) => {
  skip(!(await canRun('python3', ['--version'])), 'there is no python3')
  const { relay } = await start()
  const { ended } = startProgram('python3', [example('publish.py'), 'x'.repeat(257), 'hello', relay.url])
  expect(await ended).toEqual({ code: 1, output: expect.stringMatching(/^invalid_topic: /) })
})

for (const { name, program, needs } of [
  { name: 'follow.py', program: 'python3', needs: ' (needs python3)' },
  { name: 'follow.mjs', program: process.execPath, needs: '' },
]) {
  test(`${name} prints every message once, in order, through a lost connection${needs}`, async ({ skip }) => {
    skip(!(await canRun(program, ['--version'])), `there is no ${program}`)
    const { relay, rest } = await start()
    await rest.publish('orders', 'stored')
    const { lines } = startProgram(program, [example(name), 'orders', relay.url, 'earliest'])
    await expect.poll(() => lines).toEqual(['stored'])
    await rest.publish('orders', 'live')
    await expect.poll(() => lines).toEqual(['stored', 'live'])
    relay.cut()
    await rest.publish('orders', 'missed')
    await expect.poll(() => lines).toEqual(['stored', 'live', 'missed'])
    await rest.publish('orders', 'live again')
    await expect.poll(() => lines).toEqual(['stored', 'live', 'missed', 'live again'])
    expect(relay.connections).toBe(2)
  })
}

const noBrowser = 'there is no /usr/bin/chromium'

/** Serves the page, as its author's web server would. */
async function servePage(): Promise<{ port: string }> {
  const page = await readFile(example('browser.html'))
  const server = createServer((_, reply) => reply.setHeader('content-type', 'text/html').end(page))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the page is not served on TCP')
  return { port: String(address.port) }
}

async function openPage(executablePath: string, url: string): Promise<Page> {
  const instance = await chromium.launch({ executablePath })
  onTestFinished(() => instance.close())
  const page = await instance.newPage()
  await page.goto(url)
  return page
}

test('browser.html publishes, and follows through a lost connection (needs chromium)', async ({ skip }) => {
  if (executablePath === undefined) return skip(noBrowser)
  const { port } = await servePage()
  const { relay, rest, data } = await start({ PEERGATE_ALLOWED_ORIGINS: `http://127.0.0.1:${port}` })
  await rest.publish('orders', '<b>stored</b>')
  const page = await openPage(executablePath, `http://127.0.0.1:${port}/?gateway=${relay.url}&topic=orders`)
  const shown = () => page.locator('li').allTextContents()
  await expect.poll(shown).toEqual(['<b>stored</b>'])
  await page.getByRole('textbox').fill('from the page')
  await page.getByRole('button').click()
  await expect.poll(shown).toEqual(['<b>stored</b>', 'from the page'])
  relay.cut()
  await rest.publish('orders', 'missed')
  await expect.poll(shown).toEqual(['<b>stored</b>', 'from the page', 'missed'])
  expect(await data()).toEqual(['<b>stored</b>', 'from the page', 'missed'])
})

test('browser.html of an origin that is not allowed gets nothing, and publishes nothing (needs chromium)', async ({ skip }) => {
  if (executablePath === undefined) return skip(noBrowser)
  const { port } = await servePage()
  const { relay, rest, data } = await start({ PEERGATE_ALLOWED_ORIGINS: `http://127.0.0.1:${port}` })
  await rest.publish('orders', 'stored')
  const page = await openPage(executablePath, `http://localhost:${port}/?gateway=${relay.url}&topic=orders`)
  const status = () => page.getByRole('status').textContent()
  await expect.poll(status).toBe('refused')
  await page.getByRole('textbox').fill('from elsewhere')
  await page.getByRole('button').click()
  await expect.poll(status).toBe('not published')
  expect(await page.locator('li').count()).toBe(0)
  expect(await data()).toEqual(['stored'])
})

test('serve.mjs answers requests, and again after a lost connection', async () => {
  const { relay, rest } = await start()
  const { peerId } = await rest.get<{ peerId: string }>('/v1/node')
  const program = startProgram(process.execPath, [example('serve.mjs'), 'capitals', relay.url])
  const ask = async (body: object) => (await rest.call('POST', `/v1/peers/${peerId}/requests/capitals`, body)).body
  await expect.poll(() => ask({ data: 'hällo' })).toEqual({ data: 'HÄLLO', encoding: 'utf8' })
  expect(await ask({ data: '/w==', encoding: 'base64' })).toMatchObject({ code: 'service_error', detail: 'only text has capitals' })
  relay.cut()
  await expect.poll(() => program.lines.length).toBe(2)
  expect(await ask({ data: 'again' })).toMatchObject({ data: 'AGAIN' })
})

const timeout = 180_000
/** A Python that has the package which examples need. */
async function pythonWithWebsockets(skip: TestContext['skip']): Promise<string> {
  return join(await pythonEnvironment('websockets==17.4', skip), 'bin/python')
}

test('serve.py answers requests of another gateway, and again after a lost connection (needs python3)', { timeout }, async ({ skip }) => {
  const python = await pythonWithWebsockets(skip)
  const { gateway, relay } = await start()
  const { rest } = await startLinked(gateway)
  const { lines } = startProgram(python, [example('serve.py'), 'capitals', relay.url])
  await expect.poll(() => lines).toEqual(['serving capitals'])
  const ask = async (body: object) => (await rest.call('POST', `/v1/peers/${gateway.peerId}/requests/capitals`, body)).body
  expect(await ask({ data: 'hällo' })).toEqual({ data: 'HÄLLO', encoding: 'utf8' })
  expect(await ask({ data: '/w==', encoding: 'base64' })).toMatchObject({ code: 'service_error', detail: 'only text has capitals' })
  expect(await ask({ data: 'ΐ'.repeat(200_000) })).toMatchObject({ code: 'service_error', detail: 'the answer is too large' })
  relay.cut()
  await expect.poll(() => lines).toEqual(['serving capitals', 'serving capitals'])
  expect(await ask({ data: 'again' })).toEqual({ data: 'AGAIN', encoding: 'utf8' })
})

test('serve.py shows its token, and ends where it is refused (needs python3)', { timeout }, async ({ skip }) => {
  const python = await pythonWithWebsockets(skip)
  const token = 'a-token-for-the-tests'
  const { relay } = await start({ PEERGATE_ADMIN_TOKEN: token })
  const serve = (env: Record<string, string>) => startProgram(python, [example('serve.py'), 'capitals', relay.url], { env })
  expect(await serve({}).ended).toEqual({ code: 1, output: expect.stringContaining('"code":"unauthorized"') })
  const { lines } = serve({ PEERGATE_TOKEN: token })
  await expect.poll(() => lines).toEqual(['serving capitals'])
})

for (const { options, verdict } of [
  { options: [], verdict: 'ignore' },
  { options: ['--reject'], verdict: 'reject' },
]) {
  const name = ['moderate.py', ...options].join(' ')
  test(`${name} keeps banned messages of another gateway out, also after a lost connection (needs python3)`, { timeout }, async ({
    skip,
  }) => {
    const python = await pythonWithWebsockets(skip)
    const { gateway, relay, data } = await start()
    const { rest } = await startLinked(gateway)
    const { lines } = startProgram(python, [example('moderate.py'), '--gateway', relay.url, ...options, 'orders', 'spam', 'Müll'])
    await expect.poll(() => lines).toEqual(['moderating orders'])
    await rest.publish('orders', 'spammers')
    await expect.poll(data).toEqual(['spammers'])
    relay.cut()
    await expect.poll(() => lines).toEqual(['moderating orders', 'moderating orders'])
    const spam = await rest.publish('orders', 'Spam, and MÜLL!')
    const { body: bytes } = await rest.call('POST', '/v1/topics/orders/messages', { data: 'c3BhbSD/', encoding: 'base64' })
    await rest.publish('orders', 'good')
    await expect.poll(data).toEqual(['spammers', 'good'])
    await expect.poll(() => lines.slice(2)).toEqual([`${verdict} ${spam.id}: müll spam`, `${verdict} ${bytes['id']}: spam`])
  })
}
