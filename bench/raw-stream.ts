import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/**
 * A WebSocket client that hands over the bytes of the server's frames as they come, without parsing them.
 * @param take is called with bytes that are valid during the call only
 * @param buffer into which the socket reads; several sockets may share it
 * @returns when the upgrade is answered
 * @throws when it is refused; when the server ends the connection later, the process fails
 */
export function openRawStream(url: string, take: (bytes: Buffer) => void, buffer = Buffer.alloc(65_536)): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const upgraded = Promise.withResolvers<Socket>()
  let head: string | undefined = ''

  /** The bytes after the header of the answer. */
  function skipHead(bytes: Buffer): Buffer {
    const before = head?.length ?? 0
    head += bytes.toString('latin1')
    const end = head?.indexOf('\r\n\r\n') ?? -1
    if (end < 0) return bytes.subarray(bytes.length)
    if (!head?.startsWith('HTTP/1.1 101')) throw new Error(`the upgrade was answered ${head}`)
    head = undefined
    upgraded.resolve(socket)
    return bytes.subarray(end + 4 - before)
  }

  const onread = {
    buffer,
    callback(length: number) {
      const bytes = buffer.subarray(0, length)
      take(head === undefined ? bytes : skipHead(bytes))
      return true
    },
  }
  const socket = connect({ host: hostname, port: Number(port), onread }, () => socket.write(upgradeRequest(url)))
  socket.on('end', () => {
    throw new Error('the server ended a connection')
  })
  return upgraded.promise
}

/** @param url as http://… */
export function upgradeRequest(url: string): string {
  const { host, pathname, search } = new URL(url)
  const key = randomBytes(16).toString('base64')
  const fields = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`
  return `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n\r\n`
}
