/** A router that forwards ports to hosts of its network, or a firewall that lets packets to them through. */
export interface Router {
  /** How it is spoken to. */
  readonly protocol: 'PCP' | 'NAT-PMP' | 'UPnP'
  /** Whether it forwards ports of this address of the host. */
  serves(localIp: string): boolean
  /** The router's own address outside, where it is asked by itself and not told by `map`. @throws Error */
  externalIp?(signal: AbortSignal): Promise<string>
  /**
   * Whether it was restarted since it answered last, and so has forgotten the ports. Without this method that is noticed
   * when the ports are renewed. @throws Error
   */
  isRestarted?(signal: AbortSignal): Promise<boolean>
  /**
   * Has a port forwarded for a limited time, if the router knows such; also to renew it.
   * @param wanted the port outside
   * @throws Error when the router refuses or does not answer
   */
  map(port: LocalPort, wanted: number, signal: AbortSignal): Promise<MappedOutside>
  /** @throws Error */
  unmap(port: LocalPort, external: number, signal: AbortSignal): Promise<void>
}

/** What a router has given. */
export interface MappedOutside {
  /** The address outside, if the answer tells it. */
  ip?: string
  /** The port outside, which may be another one than was wanted. */
  port: number
  /** For how long, if the answer tells it. */
  seconds?: number
}

/** A port that this node listens on. */
export interface LocalPort {
  transport: 'tcp' | 'udp'
  ip: string
  port: number
}

/** Seconds for which a port is forwarded, so that a router forgets the ports of a host that has crashed. */
export const leaseSeconds = 3_600
