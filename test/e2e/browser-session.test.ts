import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { executablePath } from '../fixtures/chromium.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { canRun, runProgram } from '../fixtures/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Sessions as a browser sees them: a page of another site, its cookies, EventSource and WebSocket. */

const adminToken = 'the-token-of-the-operator'

/** Buttons do what the test asks; what comes of it is in the page. */
const page = `<!doctype html><title>page</title>
<output id="opened"></output><output id="ended"></output><output id="node"></output><output id="events"></output><output id="socket"></output><ul></ul>
<script type="module">
const { gateway, token } = Object.fromEntries(new URLSearchParams(location.search))
const show = (id, text) => { document.getElementById(id).textContent = text }
const call = (method, path, headers = {}) => fetch(gateway + path, { method, headers, credentials: 'include' }).then(({ status }) => status, String)
window.openSession = async () => show('opened', await call('POST', '/v1/session', { authorization: 'Bearer ' + token }))
window.endSession = async () => show('ended', await call('DELETE', '/v1/session'))
window.ask = async () => show('node', await call('GET', '/v1/node'))
window.follow = () => {
  const events = new EventSource(gateway + '/v1/events?topic=orders&after=earliest', { withCredentials: true })
  events.onopen = () => show('events', 'open')
  events.onerror = () => show('events', events.readyState === 2 ? 'refused' : 'lost')
  events.addEventListener('message', ({ data }) => document.querySelector('ul').append(Object.assign(document.createElement('li'), { textContent: JSON.parse(data).message.data })))
  const socket = new WebSocket(gateway.replace('http', 'ws') + '/v1/stream', 'peergate.v1.json')
  socket.onmessage = ({ data }) => show('socket', JSON.parse(data).type)
  socket.onclose = ({ code }) => show('socket', code)
}
</script>`

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on TCP')
  return address.port
}

/** A certificate that nobody vouches for. */
async function certificate(): Promise<{ key: Buffer; cert: Buffer }> {
  const directory = await temporaryDirectory()
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost']
  await runProgram('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert])
  return { key: await readFile(key), cert: await readFile(cert) }
}

/** A proxy that does TLS for a gateway. */
async function tlsProxy(target: string, keys: { key: Buffer; cert: Buffer }): Promise<number> {
  const onward = ({ method, url, headers }: IncomingMessage) =>
    request(target + url, { method: method ?? 'GET', headers: { ...headers, 'x-forwarded-proto': 'https' } })
  const server = createTlsServer(keys, (incoming, answer) => {
    const outgoing = incoming.pipe(onward(incoming))
    outgoing.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.on('error', () => answer.destroy())
      response.on('close', () => void (response.complete || answer.destroy()))
      response.pipe(answer)
    })
    outgoing.on('error', () => answer.destroy())
    answer.on('close', () => outgoing.destroy())
  })
  server.on('upgrade', (incoming, socket) => {
    const outgoing = onward(incoming)
    socket.on('error', () => outgoing.destroy())
    outgoing.on('error', () => socket.destroy())
    outgoing.on('response', () => socket.destroy())
    outgoing.on('upgrade', (response, upstream, head) => {
      const fields = Object.entries(response.headers).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join('')}\r\n`)
      socket.write(head)
      upstream.on('error', () => socket.destroy())
      socket.on('close', () => upstream.destroy())
      socket.pipe(upstream).pipe(socket)
    })
    outgoing.end()
  })
  return await listen(server)
}

interface Party {
  gatewayUrl: string
  /** The page, of another site than the gateway, whose origin is allowed or not. */
  open(site: 'allowed' | 'other'): Promise<Page>
  publish(data: string): Promise<void>
}

/** A gateway at 127.0.0.1, and pages at localhost, which is another site. */
async function setUp(scheme: 'http' | 'https'): Promise<Party> {
  const keys = scheme === 'https' ? await certificate() : undefined
  const serve = () => {
    const server = keys === undefined ? createServer() : createTlsServer(keys)
    return listen(server.on('request', (_, answer) => answer.setHeader('content-type', 'text/html').end(page)))
  }
  const ports = { allowed: await serve(), other: await serve() }
  const gateway = await gatewayForTest({
    ...quietEnvironment(join(await temporaryDirectory(), 'data')),
    PEERGATE_ADMIN_TOKEN: adminToken,
    PEERGATE_ALLOWED_ORIGINS: `${scheme}://localhost:${ports.allowed}`,
    PEERGATE_TRUSTED_PROXIES: '127.0.0.1',
  })
  const gatewayUrl = keys === undefined ? gateway.url : `https://127.0.0.1:${await tlsProxy(gateway.url, keys)}`
  let browser: Browser | undefined
  onTestFinished(() => browser?.close())
  return {
    gatewayUrl,
    async open(site) {
      browser ??= await chromium.launch({ executablePath: executablePath ?? '' })
      const context = await browser.newContext({ ignoreHTTPSErrors: true })
      const opened = await context.newPage()
      await opened.goto(`${scheme}://localhost:${ports[site]}/?gateway=${encodeURIComponent(gatewayUrl)}&token=${adminToken}`)
      return opened
    },
    async publish(data) {
      const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
      const answer = await fetch(`${gateway.url}/v1/topics/orders/messages`, { method: 'POST', headers, body: JSON.stringify({ data }) })
      expect(answer.status).toBe(201)
    },
  }
}

const timeout = 60_000
const patience = { timeout: 20_000 }

for (const [scheme, name] of [
  ['http', 'peergate'],
  ['https', '__Host-peergate'],
] as const) {
  test(`over ${scheme} a page of an allowed origin of another site follows by its session until it ends (needs chromium)`, {
    timeout,
  }, async ({ skip }) => {
    skip(executablePath === undefined, 'there is no chromium')
    skip(scheme === 'https' && !(await canRun('openssl', ['version'])), 'there is no openssl')
    const { open, publish, gatewayUrl } = await setUp(scheme)
    await publish('stored')
    const opened = await open('allowed')
    const shown = (id: string) => opened.locator(`#${id}`).textContent()
    const asked = async () => {
      await opened.evaluate('ask()')
      return await shown('node')
    }
    expect(await asked()).toBe('401')
    await opened.evaluate('openSession()')
    expect(await shown('opened')).toBe('204')
    expect(await opened.context().cookies(gatewayUrl)).toMatchObject([{ name, httpOnly: true, secure: true, sameSite: 'None' }])
    expect(await asked()).toBe('200')
    await opened.evaluate('follow()')
    const items = () => opened.locator('li').allTextContents()
    await expect.poll(items, patience).toEqual(['stored'])
    await expect.poll(() => shown('socket'), patience).toBe('welcome')
    await publish('live')
    await expect.poll(items, patience).toEqual(['stored', 'live'])
    await opened.evaluate('endSession()')
    expect(await shown('ended')).toBe('204')
    await expect.poll(() => shown('socket'), patience).toBe('4503')
    await expect.poll(() => shown('events'), patience).toBe('refused')
    expect(await asked()).toBe('401')
    expect(await opened.context().cookies(gatewayUrl)).toEqual([])
  })
}

test('a page of another origin gets no session, also with the cookie of one that is open (needs chromium)', { timeout }, async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const { open, gatewayUrl } = await setUp('http')
  const invited = await open('allowed')
  await invited.evaluate('openSession()')
  const cookies = await invited.context().cookies(gatewayUrl)
  expect(cookies).toHaveLength(1)
  const foreign = await open('other')
  const shown = (id: string) => foreign.locator(`#${id}`).textContent()
  await foreign.evaluate('openSession()')
  expect(await shown('opened')).toContain('Failed to fetch')
  await foreign.context().addCookies(cookies)
  await foreign.evaluate('ask()')
  expect(await shown('node')).toContain('Failed to fetch')
  await foreign.evaluate('follow()')
  await expect.poll(() => shown('events'), patience).toBe('refused')
  await expect.poll(() => shown('socket'), patience).toBe('1006')
})
