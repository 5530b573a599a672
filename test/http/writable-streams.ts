import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { createRest, type Rest } from '../fixtures/rest.ts'

/** The durable streams of a gateway, with the half that it does not have: creating streams, and appending. */
export interface WritableStreams {
  url: string
  close(): Promise<void>
}

interface Item {
  data: string
  encoding: string
}

const passed = ['cache-control', 'cross-origin-resource-policy', 'etag', 'x-content-type-options']

/**
 * Creates by joining a topic, and appends by publishing. Reads go to the gateway as they are, and come back with its
 * status and headers; of each message only its data, as the content type of the stream has it.
 * @param gateway URL of the gateway
 */
export async function writableStreams(gateway: string): Promise<WritableStreams> {
  const rest = createRest(gateway)
  const types = new Map<string, string>()
  // A connection that the server ends would fail a request that is just being sent.
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    void serve(request, response).catch(() => response.destroy())
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '', 'http://localhost')
    const name = decodeURIComponent(pathname.split('/').at(-1) ?? '')
    const body = await buffer(request)
    if (request.method === 'PUT') {
      const type = request.headers['content-type'] ?? 'application/octet-stream'
      types.set(name, type)
      await rest.call('PUT', `/v1/topics/${name}`)
      await append(rest, name, { type, body })
      response.writeHead(201, { 'content-type': type, location: pathname, ...(await tailOf(name)) }).end()
    } else if (request.method === 'POST') {
      await append(rest, name, { type: types.get(name) ?? '', body })
      response.writeHead(204, await tailOf(name)).end()
    } else {
      await read(request, response, { name, search, type: types.get(name) })
    }
  }

  async function tailOf(name: string): Promise<Record<string, string>> {
    const { headers } = await fetch(`${gateway}/v1/streams/${name}`, { method: 'HEAD' })
    return { 'stream-next-offset': headers.get('stream-next-offset') ?? '' }
  }

  async function read(
    request: IncomingMessage,
    response: ServerResponse,
    { name, search, type = '' }: { name: string; search: string; type: string | undefined },
  ): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const { method = 'GET', headers } = request
    const condition = headers['if-none-match'] === undefined ? {} : { 'if-none-match': headers['if-none-match'] }
    const found = await fetch(`${gateway}/v1/streams/${name}${search}`, { method, headers: condition, signal: gone.signal })
    for (const [header, value] of found.headers)
      if (header.startsWith('stream-') || passed.includes(header)) response.setHeader(header, value)
    const ownType = found.headers.get('content-type')
    const isEvents = ownType === 'text/event-stream'
    if (ownType !== null) response.setHeader('content-type', ownType === 'application/json' ? type : ownType)
    response.writeHead(found.status)
    if (!isEvents) {
      const bytes = Buffer.from(await found.arrayBuffer())
      response.end(ownType === 'application/json' && method === 'GET' ? contentOf(JSON.parse(bytes.toString()), type) : bytes)
      return
    }
    response.flushHeaders()
    let text = ''
    for await (const chunk of found.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) response.write(`${eventOf(event, type)}\n\n`)
    }
    response.end()
  }

  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on TCP')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function append(rest: Rest, name: string, { type, body }: { type: string; body: Buffer }): Promise<void> {
  for (const data of body.length === 0 ? [] : messagesOf(body, type)) {
    const { status } = await rest.call('POST', `/v1/topics/${name}/messages`, { data: data.toString('base64'), encoding: 'base64' })
    if (status !== 201) throw new Error(`publishing failed with ${status}`)
  }
}

function messagesOf(body: Buffer, type: string): Buffer[] {
  if (!type.startsWith('application/json')) return [body]
  return [JSON.parse(body.toString())].flat(1).map((item) => Buffer.from(JSON.stringify(item)))
}

function contentOf(items: Item[], type: string): Buffer {
  const contents = items.map(({ data, encoding }) => (encoding === 'base64' ? Buffer.from(data, 'base64') : Buffer.from(data)))
  return type.startsWith('application/json') ? Buffer.from(`[${contents.join(',')}]`) : Buffer.concat(contents)
}

/** An event with the content of its messages. */
function eventOf(event: string, type: string): string {
  const data = /^event: data\ndata:(.*)$/m.exec(event)?.[1]
  if (data === undefined) return event
  const lines = contentOf(JSON.parse(data), type).toString().split('\n')
  return ['event: data', ...lines.map((line) => `data:${line}`)].join('\n')
}
