import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A TCP relay to a port of this host, which counts the bytes that come back from it. */
export interface CountingRelay extends Disposable {
  readonly port: number
  readonly receivedBytes: number
}

export async function startCountingRelay(to: number): Promise<CountingRelay> {
  const sockets = new Set<Socket>()
  let receivedBytes = 0
  const server = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port: to, noDelay: true })
    near.setNoDelay()
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
    far.on('data', (chunk) => {
      receivedBytes += chunk.length
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    get receivedBytes() {
      return receivedBytes
    },
    [Symbol.dispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
