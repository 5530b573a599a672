import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Gateway, Loss } from '../../src/gateway/gateway.ts'
import { createGateway } from '../../src/index.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** The gateway that the next start makes, changed. The library has no other way to one whose `node()` fails, or that another process ends. */
const next = vi.hoisted(() => ({ change: (gateway: Gateway): Gateway => gateway, lose: (_reason: Loss): void => {} }))

vi.mock(import('../../src/gateway/open-gateway.ts'), async (original) => {
  const { openGateway } = await original()
  return {
    openGateway: async (config, components) => {
      next.lose = components.onLost ?? next.lose
      return next.change(await openGateway(config, components))
    },
  }
})

async function listenOn(port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(port, '127.0.0.1')
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { server, port: address.port }
}

const closed = (server: Server) => new Promise((resolve) => server.close(resolve))

async function freePort(): Promise<number> {
  const { server, port } = await listenOn()
  await closed(server)
  return port
}

/** Descriptors of this process: files, sockets, locks. */
const openDescriptors = () => readdirSync('/proc/self/fd').length

/** Settings with fixed ports, which a start that fails must not keep. */
async function settingsWithPorts() {
  const directory = await temporaryDirectory()
  const [http, metrics, p2p] = [await freePort(), await freePort(), await freePort()]
  return {
    directory,
    ports: { http, metrics, p2p },
    settings: {
      ...quietEnvironment(join(directory, 'data')),
      PEERGATE_HTTP_PORT: String(http),
      PEERGATE_METRICS_PORT: String(metrics),
      PEERGATE_LISTEN: `/ip4/127.0.0.1/tcp/${p2p}/ws`,
    },
  }
}

test('a start that fails, at any stage, keeps nothing: the next one works', async () => {
  const { directory, ports, settings } = await settingsWithPorts()
  await (await createGateway({ settings })).stop()
  const file = join(directory, 'wrong')
  writeFileSync(file, 'not what it should be', { mode: 0o600 })
  mkdirSync(join(directory, 'folder'))
  const stages: [string, Record<string, string>, RegExp][] = [
    ['settings', { PEERGATE_ENGINE: 'steam' }, /PEERGATE_ENGINE/],
    ['directory', { PEERGATE_DATA_DIR: join(file, 'data') }, /PEERGATE_DATA_DIR/],
    ['token', { PEERGATE_ADMIN_TOKEN_FILE: join(directory, 'missing') }, /PEERGATE_ADMIN_TOKEN_FILE/],
    ['key', { PEERGATE_KEY_FILE: file }, /wrong/],
    ['database', { DATABASE_URL: `file:${join(directory, 'folder')}` }, /folder/],
    ['tracing', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', DATABASE_URL: `file:${join(directory, 'folder')}` }, /folder/],
  ]
  const baseline = openDescriptors()
  for (const [stage, wrong, message] of stages) {
    await expect(createGateway({ settings: { ...settings, ...wrong } }), stage).rejects.toThrow(message)
    await expect.poll(openDescriptors, { message: stage }).toBeLessThanOrEqual(baseline)
  }
  for (const port of Object.values(ports)) {
    const { server } = await listenOn(port)
    await expect(createGateway({ settings })).rejects.toThrow(String(port))
    await closed(server)
    await expect.poll(openDescriptors, { message: String(port) }).toBeLessThanOrEqual(baseline)
  }
  const gateway = await createGateway({ settings })
  expect(gateway.url).toBe(`http://127.0.0.1:${ports.http}`)
  await gateway.stop()
})

test('a gateway that cannot tell of itself is stopped', async () => {
  const { settings } = await settingsWithPorts()
  next.change = (gateway) => ({ ...gateway, node: () => Promise.reject(new Error('no answer')) })
  await expect(createGateway({ settings })).rejects.toThrow('no answer')
  next.change = (gateway) => gateway
  const gateway = await createGateway({ settings })
  await gateway.stop()
})

test('a gateway whose peer id another process has taken stops, and says so', async () => {
  const { settings } = await settingsWithPorts()
  const lines: string[] = []
  const lost = Promise.withResolvers<Loss>()
  const gateway = await createGateway({ settings, log: (line) => lines.push(line), onLost: lost.resolve })
  onTestFinished(() => gateway.stop())
  next.lose('identity_in_use')
  expect(await lost.promise).toBe('identity_in_use')
  await gateway.stop()
  await expect(fetch(gateway.url)).rejects.toThrow()
  expect(lines.filter((line) => line.includes('identity_in_use'))).toHaveLength(1)
})

test('the process of the program keeps its own handlers', async () => {
  const { settings } = await settingsWithPorts()
  const events = ['uncaughtException', 'unhandledRejection', 'SIGTERM', 'SIGINT', 'exit'] as const
  const before = events.map((event) => process.listenerCount(event))
  await using _gateway = await createGateway({ settings })
  expect(events.map((event) => process.listenerCount(event))).toEqual(before)
})
