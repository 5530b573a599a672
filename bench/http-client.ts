import { connect } from 'node:net'

/**
 * Requests over kept-alive connections, one at a time on each. It parses only the HTTP that the servers here write, so
 * that it can load a server on the same machine.
 */
export interface HttpClient {
  get(path: string): Promise<Answer>
  /** @param body JSON */
  post(path: string, body: string): Promise<Answer>
  close(): void
}

export interface Answer {
  status: number
  body: string
}

interface Connection {
  ask(request: string): Promise<Answer>
  close(): void
}

/** @param connections that may be busy at a time; a further request is an error */
export function createHttpClient(url: string, connections: number): HttpClient {
  const { host } = new URL(url)
  const all: Connection[] = []
  const idle: Connection[] = []

  function take(): Connection {
    const free = idle.pop()
    if (free !== undefined) return free
    if (all.length >= connections) throw new Error(`all ${connections} connections are busy`)
    const opened = openConnection(url)
    all.push(opened)
    return opened
  }

  async function ask(request: string): Promise<Answer> {
    const connection = take()
    const answer = await connection.ask(request)
    idle.push(connection)
    return answer
  }

  return {
    get: (path) => ask(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    post(path, body) {
      const fields = `Host: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`
      return ask(`POST ${path} HTTP/1.1\r\n${fields}\r\n\r\n${body}`)
    },
    close() {
      for (const connection of all) connection.close()
    },
  }
}

function openConnection(url: string): Connection {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  let received = Buffer.alloc(0)
  let waiting: PromiseWithResolvers<Answer> | undefined

  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const answer = parseAnswer(received)
    if (answer === undefined) return
    received = Buffer.alloc(0)
    waiting?.resolve(answer)
  })
  socket.on('error', (error) => waiting?.reject(error))
  socket.on('close', () => waiting?.reject(new Error('the server ended the connection')))

  return {
    ask(request) {
      waiting = Promise.withResolvers()
      socket.write(request)
      return waiting.promise
    },
    close() {
      socket.destroy()
    },
  }
}

/** The answer, when it is complete. @throws Error when its length is not stated */
function parseAnswer(received: Buffer): Answer | undefined {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = received.toString('latin1', 0, headEnd)
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  if (length === undefined) throw new Error(`an answer does not state its length: ${head}`)
  const start = headEnd + 4
  if (received.length < start + Number(length)) return undefined
  return { status: Number(head.slice(9, 12)), body: received.toString('utf8', start) }
}
