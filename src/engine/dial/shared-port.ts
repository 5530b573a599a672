import { isIPv6, type Socket, type TcpNetConnectOpts } from 'node:net'

/**
 * Options of a TCP connection whose local port a second connection, to another end, can share: a router that maps ports
 * whatever the destination is shows both at one address. Without a port the system chooses one. The explicit bind
 * matters: libuv then sets SO_REUSEADDR, and Linux lets two sockets that have it, and do not listen, bind the same port.
 * Where the system does not, the second connection fails with EADDRINUSE.
 */
export function onSharedPort(ip: string, localPort?: number): Pick<TcpNetConnectOpts, 'localAddress' | 'localPort'> {
  return { localAddress: isIPv6(ip) ? '::' : '0.0.0.0', ...(localPort === undefined ? {} : { localPort }) }
}

/**
 * Ends a connection from a shared port with RST. After FIN the system would keep the next connection between the same two
 * ports from being made for a minute (TIME-WAIT, RFC 9293, section 3.3.2), also where it has connected a socket of which
 * Node does not know it yet: `resetAndDestroy` waits for that, so the flag that it sets is set here.
 */
export function cutWithReset(wire: Socket): void {
  Object.assign(wire, { resetAndClosing: true }).destroy()
}
