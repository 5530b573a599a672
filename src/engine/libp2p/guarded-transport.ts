import { lookup } from 'node:dns/promises'
import type { Connection, Transport } from '@libp2p/interface'
import { type Component, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { DialForbidden } from '../../errors.ts'
import type { DialPolicy } from '../dial-policy.ts'
import { withoutPeerId } from './addresses.ts'

/**
 * A transport whose dials all pass the dial policy. Names are resolved here, and it is the judged IP address that is then dialled, so that
 * a name can't answer one thing to the judge and another to the socket (DNS rebinding).
 */
export function guardTransport<Components>(
  create: (components: Components) => Transport,
  policy: DialPolicy,
): (components: Components) => Transport {
  return (components) => {
    const transport = create(components)
    const dial = transport.dial.bind(transport)
    transport.dial = async (address, options) => {
      const source = policy.sourceOf(withoutPeerId(address))
      const refusals: string[] = []
      let failure: unknown
      for (const { ip, resolved } of await resolve(address)) {
        const refusal = policy.refusal(ip, source)
        if (refusal !== undefined) refusals.push(refusal)
        else {
          try {
            return await dialOne(resolved)
          } catch (error) {
            failure = error
          }
        }
      }
      if (failure !== undefined) throw failure
      throw new DialForbidden(refusals.join('; ') || 'the name resolves to no address')

      async function dialOne(resolved: Multiaddr): Promise<Connection> {
        options.signal.throwIfAborted()
        return await dial(resolved, options)
      }
    }
    return transport
  }
}

/** An address for each IP address that it leads to. */
async function resolve(address: Multiaddr): Promise<Array<{ ip: string; resolved: Multiaddr }>> {
  const [host, ...rest] = address.getComponents()
  if (host?.value === undefined) return []
  if (host.name === 'ip4' || host.name === 'ip6') return [{ ip: host.value, resolved: address }]
  if (!['dns', 'dns4', 'dns6'].includes(host.name)) throw new DialForbidden(`/${host.name} addresses are not dialled`)
  const family = host.name === 'dns4' ? 4 : host.name === 'dns6' ? 6 : 0
  const found = await lookup(host.value, { all: true, family })
  const name = host.value
  return found.map((entry) => ({ ip: entry.address, resolved: atAddress(entry, rest, name) }))
}

/** The same address with an IP address for its name; TLS still asks for the name. */
function atAddress({ address, family }: { address: string; family: number }, rest: Component[], name: string): Multiaddr {
  const parts = rest.flatMap((component) => {
    if (component.name === 'wss') return [`/tls/sni/${name}/ws`]
    if (component.name === 'tls' && !rest.some((other) => other.name === 'sni')) return [`/tls/sni/${name}`]
    return [component.value === undefined ? `/${component.name}` : `/${component.name}/${component.value}`]
  })
  return multiaddr(`/ip${family}/${address}${parts.join('')}`)
}
