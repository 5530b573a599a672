import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/fixtures/free-port.ts'
import { createHttpClient } from '../http-client.ts'
import { createMarkScanner } from '../marks.ts'
import type { Way } from '../passage.ts'
import { openRawStream } from '../raw-stream.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { startProgram } from './programs.ts'
import { clientFrame } from './web-socket-frame.ts'

/** Centrifugo: a publication by HTTP is in memory and on its way to subscribers, who have a WebSocket each. */

const underWay = 64

export async function startCentrifugo(resources: AsyncDisposableStack, program: string): Promise<{ port: number; pid: number }> {
  const directory = await temporaryDirectory(resources)
  const port = await freePort()
  const config = join(directory, 'config.json')
  const settings = {
    http_server: { address: '127.0.0.1', port },
    http_api: { insecure: true },
    client: { insecure: true, connection_limit: 20_000, ping_interval: '3600s', pong_timeout: '60s' },
    log: { level: 'error' },
  }
  await writeFile(config, JSON.stringify(settings))
  return { port, pid: await startProgram(resources, { program, args: ['--config', config], port }) }
}

/** What a client sends after the upgrade to follow the channel. */
export const following = clientFrame('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"bench"}}')
/** What the answer to it has. */
export const followed = '"subscribe":{'
export const streamUrl = (port: number) => `http://127.0.0.1:${port}/connection/websocket`

export async function openCentrifugo(resources: AsyncDisposableStack, program: string): Promise<Way> {
  const { port, pid } = await startCentrifugo(resources, program)
  const client = resources.adopt(createHttpClient(`http://127.0.0.1:${port}`, underWay), (opened) => opened.close())
  const way: Way = {
    label: 'Centrifugo, in memory',
    processes: { centrifugo: pid },
    underWay,
    async publish(data) {
      const { body } = await client.post('/api/publish', JSON.stringify({ channel: 'bench', data }))
      if (!body.startsWith('{"result"')) throw new Error(`publishing answered ${body}`)
    },
    onArrival: () => undefined,
  }
  const scan = createMarkScanner((number) => way.onArrival(number))
  const subscribed = Promise.withResolvers<void>()
  const socket = await openRawStream(streamUrl(port), (bytes) => {
    if (bytes.includes(followed)) subscribed.resolve()
    scan(bytes)
  })
  resources.defer(() => void socket.destroy())
  socket.write(following)
  await subscribed.promise
  return way
}
