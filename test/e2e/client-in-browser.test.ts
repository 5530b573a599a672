import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { executablePath } from '../fixtures/chromium.ts'
import { freePort } from '../fixtures/free-port.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { runProgram } from '../fixtures/program.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const token = 'the-token-of-the-operator'

const page = `<!doctype html><title>page</title><ul></ul>
<script type="module">
import { createClient, storageCursors } from './index.js'
const client = createClient(Object.fromEntries(new URLSearchParams(location.search)))
for await (const item of client.subscribe('orders', { after: 'earliest', cursors: storageCursors(localStorage, 'orders') })) {
  const text = item.type === 'message' ? item.message.data : item.type
  document.querySelector('ul').append(Object.assign(document.createElement('li'), { textContent: text }))
}
</script>`

/** Builds the client, and serves it with a page. */
async function site(): Promise<string> {
  const built = join(await temporaryDirectory(), 'dist')
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const project = join(root, 'clients/typescript/tsconfig.build.json')
  await runProgram(join(root, 'node_modules/.bin/tsc'), ['-p', project, '--outDir', built])
  const server = createServer(async ({ url = '/' }, answer) => {
    const name = basename(new URL(url, 'http://page').pathname)
    const script = name.endsWith('.js') ? await readFile(join(built, name), 'utf8').catch(() => undefined) : undefined
    answer.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript').end(script ?? page)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on TCP')
  return `http://localhost:${address.port}`
}

test('a page follows with the built client through a restart of the gateway, and resumes after a reload (needs chromium)', async ({
  skip,
}) => {
  skip(executablePath === undefined, 'there is no chromium')
  const origin = await site()
  const environment = {
    ...quietEnvironment(join(await temporaryDirectory(), 'data')),
    PEERGATE_HTTP_PORT: String(await freePort()),
    PEERGATE_ADMIN_TOKEN: token,
    PEERGATE_ALLOWED_ORIGINS: origin,
  }
  const gateway = await gatewayForTest(environment)
  const rest = createRest(gateway.url, token)
  await rest.publish('orders', 'stored')
  const browser = await chromium.launch({ executablePath: executablePath ?? '' })
  onTestFinished(() => browser.close())
  const opened = await browser.newPage()
  await opened.goto(`${origin}/?${new URLSearchParams({ url: gateway.url, token })}`)
  const items = () => opened.locator('li').allTextContents()
  await expect.poll(items).toEqual(['stored', 'caughtUp'])
  await gateway.end('SIGTERM')
  await gatewayForTest(environment)
  await rest.publish('orders', 'after the restart')
  await expect.poll(items, { timeout: 60_000 }).toEqual(['stored', 'caughtUp', 'after the restart'])
  await rest.publish('orders', 'last')
  await expect.poll(items).toEqual(['stored', 'caughtUp', 'after the restart', 'last'])
  await opened.reload()
  // The loop waited for a further value, so all before it were handled.
  await expect.poll(items).toEqual(['caughtUp'])
  await rest.publish('orders', 'after the reload')
  await expect.poll(items).toEqual(['caughtUp', 'after the reload'])
})
