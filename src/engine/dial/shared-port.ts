import { isIPv6, type TcpNetConnectOpts } from 'node:net'

/**
 * Options of a TCP connection whose local port a second connection, to another end, can share: a router that maps ports
 * whatever the destination is shows both at one address. Without a port the system chooses one. The explicit bind
 * matters: libuv then sets SO_REUSEADDR, and Linux lets two sockets that have it, and do not listen, bind the same port.
 * Where the system does not, the second connection fails with EADDRINUSE.
 */
export function onSharedPort(ip: string, localPort?: number): Pick<TcpNetConnectOpts, 'localAddress' | 'localPort'> {
  return { localAddress: isIPv6(ip) ? '::' : '0.0.0.0', ...(localPort === undefined ? {} : { localPort }) }
}
