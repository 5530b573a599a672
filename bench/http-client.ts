import { Agent, request } from 'node:http'

/** Posts JSON over kept-alive connections; cheap enough to load a server from the same machine. */
export interface Poster {
  /** Resolves with the status and the body's text. */
  post(path: string, body: string): Promise<{ status: number; body: string }>
  close(): void
}

export function createPoster(url: string, connections: number): Poster {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    post(path, body) {
      return new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
        const sent = request({ agent, hostname, port, path, method: 'POST', headers }, (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (chunk) => {
            text += chunk
          })
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }))
        })
        sent.on('error', reject)
        sent.end(body)
      })
    },
    close() {
      agent.destroy()
    },
  }
}
