/** A router that forwards ports to hosts of its network. */
export interface Router {
  /** How it is spoken to. */
  readonly protocol: 'NAT-PMP' | 'UPnP'
  /** This host's IPv4 address in the router's network. Only ports of this address are forwarded. */
  readonly localIp: string
  /** The router's own address outside. @throws Error */
  externalIp(signal: AbortSignal): Promise<string>
  /**
   * Has a port forwarded for a limited time, if the router knows such; also to renew it.
   * @param wanted the port outside
   * @returns the port outside, which may be another one
   * @throws Error when the router refuses or does not answer
   */
  map(port: LocalPort, wanted: number, signal: AbortSignal): Promise<number>
  /** @throws Error */
  unmap(port: LocalPort, external: number, signal: AbortSignal): Promise<void>
}

/** A port that this node listens on. */
export interface LocalPort {
  transport: 'tcp' | 'udp'
  ip: string
  port: number
}

/** Seconds for which a port is forwarded, so that a router forgets the ports of a host that has crashed. */
export const leaseSeconds = 3_600
