import { isIP } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { orAborted } from '../../lib/deadline.ts'
import { createLookUp, type LookUp } from '../../lib/look-up.ts'
import { createDialBudget, type DialOptions, type Target, type ToldDial } from './budget.ts'
import { withoutPeerId } from './endpoint.ts'
import { type DialPolicy, hostOf } from './policy.ts'

/**
 * The gate of every dial: resolves names, has the policy judge each IP address, and dials those that it allows. Dials
 * that neither the operator nor a client requested are made within a budget.
 */
export interface DialGate {
  /**
   * Tries the resolved IP addresses one after another until one connects.
   * @throws AddressNotReached
   */
  dial<Link>(address: Multiaddr, signal: AbortSignal, connect: (target: DialTarget) => Promise<Link>, options?: DialOptions): Promise<Link>
  /**
   * Opens a circuit through a linked relay to the peer of the address, within the same budget.
   * @throws AddressNotReached, or what `open` throws
   */
  dialThrough<Link>(address: Multiaddr, ends: { relay: string; peerId: string }, open: () => Promise<Link>): Promise<Link>
}

/** An address with its judged IP address. Only that one may be dialled: a second lookup could return another. */
export interface DialTarget {
  address: Multiaddr
  ip: string
}

export interface DialAttempt {
  multiaddr: string
  message: string
  /** Refused by the policy, and not tried. */
  forbidden: boolean
}

/** No peer was reached at an address. `attempts` gives the outcome of each resolved IP address. */
export class AddressNotReached extends Error {
  override readonly name = 'AddressNotReached'
  readonly attempts: DialAttempt[]
  /** Whether a socket was opened, or tried to be. */
  readonly wasTried: boolean

  constructor(attempts: DialAttempt[], { wasTried = false } = {}) {
    super(attempts.map(({ message }) => message).join('; '))
    this.attempts = attempts
    this.wasTried = wasTried
  }
}

/** Maximum IP addresses of one name that are tried. */
const maxAddressesOfName = 8

export function createDialGate(components: {
  policy: DialPolicy
  lookUp?: LookUp
  now?: () => number
  random?: () => number
  /** A dial of a learnt address was refused by the budget. */
  onRefused?: () => void
}): DialGate {
  const { policy, lookUp = createLookUp() } = components
  const budget = createDialBudget(components)

  async function resolve(address: Multiaddr, signal: AbortSignal): Promise<string[]> {
    signal.throwIfAborted()
    const [host] = address.getComponents()
    if (host?.value === undefined) throw new Error('the address has no host')
    if (host.name === 'ip4' || host.name === 'ip6') return [host.value]
    const family = families[host.name]
    if (family === undefined) throw new Error(`/${host.name} addresses are not dialled`)
    if (!isHostName(host.value)) throw new Error(`"${host.value}" is not a host name; an IP address is written /ip4/… or /ip6/…`)
    return [...new Set((await orAborted(lookUp(host.value, family, signal, holderOf(address)), signal)).slice(0, maxAddressesOfName))]
  }

  /** Who is to wait when names of an address take long: the client that asks for it, or the first peer that told it. */
  function holderOf(address: Multiaddr): string {
    const where = withoutPeerId(address)
    const [teller] = policy.isAskedFor(where) ? [] : policy.tellersOf(where).tellers
    return teller === undefined ? policy.askerOf(where) : hostOf(teller.ip)
  }

  /** Charges a dial of a learnt address to the budget; undefined for a requested dial. */
  function pay(address: Multiaddr, options: DialOptions = {}): ToldDial | undefined {
    const where = withoutPeerId(address)
    if (policy.isAskedFor(where)) return undefined
    const { tellers } = policy.tellersOf(where)
    const isName = !/^\/ip[46]\//.test(where)
    const dial = budget.begin([...new Set(tellers.map(({ ip }) => hostOf(ip)))], { ...options, isName })
    if (typeof dial === 'string') throw new AddressNotReached([{ multiaddr: address.toString(), message: dial, forbidden: false }])
    return dial
  }

  /** Opens one socket, and records whether a peer answered. */
  async function reach<Link>(told: ToldDial | undefined, target: Target, open: () => Promise<Link>): Promise<Link> {
    try {
      const link = await open()
      told?.reached(target)
      return link
    } catch (error) {
      if (saysOfPeer(error)) told?.reached(target)
      else told?.failed(target)
      throw error
    }
  }

  return {
    async dial(address, signal, connect, options) {
      const where = withoutPeerId(address)
      const source = policy.sourceOf(where)
      const attempts: DialAttempt[] = []
      let wasTried = false
      const note = (message: string, forbidden: boolean) => attempts.push({ multiaddr: address.toString(), message, forbidden })
      using told = pay(address, options)
      const ips = await resolve(address, signal).catch((error: unknown) => {
        note(reasonOf(error), false)
        return []
      })
      if (ips.length === 0 && attempts.length === 0) note('the name resolves to no address', false)
      for (const ip of ips) {
        const refusal = policy.refusal(ip, source, policy.tellersOf(where))
        if (refusal !== undefined) {
          note(refusal, true)
          continue
        }
        const target = { host: hostOf(ip), door: `${ip} ${address.getComponents()[1]?.value}` }
        try {
          signal.throwIfAborted()
          const notNow = told?.refusal(target)
          if (notNow !== undefined) throw new Error(notNow)
        } catch (error) {
          note(`${ip}: ${reasonOf(error)}`, false)
          continue
        }
        try {
          wasTried = true
          return await reach(told, target, () => connect({ address, ip }))
        } catch (error) {
          if (saysOfPeer(error)) throw error
          note(`${ip}: ${reasonOf(error)}`, false)
        }
      }
      throw new AddressNotReached(attempts, { wasTried })
    },
    async dialThrough(address, { relay, peerId }, open) {
      using told = pay(address)
      const target = { host: relay, door: `${relay} ${peerId}` }
      const message = told?.refusal(target)
      if (message !== undefined) throw new AddressNotReached([{ multiaddr: address.toString(), message, forbidden: false }])
      return await reach(told, target, open)
    },
  }
}

const families: Partial<Record<string, 0 | 4 | 6>> = { dns: 0, dns4: 4, dns6: 6 }

/** Errors that concern the peer rather than the address; the caller distinguishes them. */
const passedOn = new Set(['ConnectionInterceptedError', 'PeerBlocked', 'SelfDial', 'InvalidPeerIdError', 'ClosedAtOnce', 'LinkRefused'])

function saysOfPeer(error: unknown): boolean {
  return error instanceof Error && passedOn.has(error.name)
}

/**
 * Whether a text is a host name rather than an IP address in one of its many notations ("127.1", "0x7f.1",
 * "2130706433"), which a resolver and a socket may parse differently (WHATWG URL, "ends in a number").
 */
function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.')
  const numeric = /^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? '')
  return !numeric && isIP(text) === 0 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The same address with the judged IP address for its host. */
export function atIp({ address, ip }: DialTarget): Multiaddr {
  const rest = address.getComponents().slice(1)
  const path = rest.map(({ name, value }) => (value === undefined ? `/${name}` : `/${name}/${value}`)).join('')
  return multiaddr(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}${path}`)
}
