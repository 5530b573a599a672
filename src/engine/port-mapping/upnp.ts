import { randomInt } from 'node:crypto'
import { createDeadline } from '../../lib/deadline.ts'
import { type LocalPort, leaseSeconds, type Router } from './router.ts'
import { searchRouter } from './ssdp.ts'

/**
 * Ports of a router by UPnP (Internet Gateway Device 1 and 2, WANIPConnection). The few values that are needed are cut
 * from the XML with patterns: what a router says is data, from a host that may be any.
 *
 * `@libp2p/upnp-nat` is not used: it maps ports of version 2 only, and does not remove what it has mapped.
 */
const services = ['WANIPConnection:2', 'WANIPConnection:1', 'WANPPPConnection:1'].map((name) => `urn:schemas-upnp-org:service:${name}`)
/** Milliseconds for one answer, and its maximum bytes. */
const answerMs = 5_000
const maxAnswerBytes = 262_144
/** Milliseconds for a router to be found. */
const searchMs = 4_000

/** UPnP error codes. */
const codes = { conflict: 718, permanentOnly: 725, noSuchMapping: 714 }
/** Ports outside that are tried when another host has the wanted one. */
const otherPorts = { attempts: 4, from: 20_000, to: 60_000 }

export interface Service {
  type: string
  control: URL
}

/** The router refuses an action. */
export class UpnpRefusal extends Error {
  override readonly name = 'UpnpRefusal'
  readonly code: number

  constructor(code: number, description: string) {
    super(`the router refuses: ${description} (UPnP error ${code})`)
    this.code = code
  }
}

/** A router that answers on one of these addresses of this host. */
export async function findUpnpRouter(localIps: string[], signal: AbortSignal): Promise<Router | undefined> {
  using deadline = createDeadline(searchMs, [signal])
  const device = await searchRouter(localIps, deadline.signal)
  if (device === undefined) return undefined
  const { answer } = await request(device.location, {}, signal)
  const service = serviceIn(answer, device.location)
  return service === undefined ? undefined : routerOf(service, device.localIp)
}

export function routerOf(service: Service, localIp: string): Router {
  async function add({ transport, ip, port }: LocalPort, external: number, seconds: number, signal: AbortSignal): Promise<void> {
    const values = {
      NewRemoteHost: '',
      NewExternalPort: external,
      NewProtocol: transport.toUpperCase(),
      NewInternalPort: port,
      NewInternalClient: ip,
      NewEnabled: 1,
      NewPortMappingDescription: 'Peergate',
      NewLeaseDuration: seconds,
    }
    await act(service, 'AddPortMapping', values, signal)
  }

  /** Without a time where the router knows only ports without. */
  async function addForATime(port: LocalPort, external: number, signal: AbortSignal): Promise<void> {
    try {
      await add(port, external, leaseSeconds, signal)
    } catch (error) {
      if (codeOf(error) !== codes.permanentOnly) throw error
      await add(port, external, 0, signal)
    }
  }

  return {
    protocol: 'UPnP',
    serves: (each) => each === localIp,
    async externalIp(signal) {
      return textIn(await act(service, 'GetExternalIPAddress', {}, signal), 'NewExternalIPAddress') ?? ''
    },
    async map(port, wanted, signal) {
      for (let external = wanted, attempt = 1; ; attempt++) {
        try {
          await addForATime(port, external, signal)
          return { port: external }
        } catch (error) {
          if (codeOf(error) !== codes.conflict || attempt > otherPorts.attempts) throw error
          external = randomInt(otherPorts.from, otherPorts.to)
        }
      }
    },
    async unmap({ transport }, external, signal) {
      const values = { NewRemoteHost: '', NewExternalPort: external, NewProtocol: transport.toUpperCase() }
      try {
        await act(service, 'DeletePortMapping', values, signal)
      } catch (error) {
        if (codeOf(error) !== codes.noSuchMapping) throw error
      }
    },
  }
}

/** Calls an action (UPnP Device Architecture 1.1, section 3.2). @throws UpnpRefusal */
async function act(
  { type, control }: Service,
  action: string,
  values: Record<string, string | number>,
  signal: AbortSignal,
): Promise<string> {
  const content = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`)
  const body = [
    '<?xml version="1.0"?>',
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">',
    `<s:Body><u:${action} xmlns:u="${type}">${content.join('')}</u:${action}></s:Body></s:Envelope>`,
  ].join('')
  const headers = { 'content-type': 'text/xml; charset="utf-8"', soapaction: `"${type}#${action}"`, connection: 'close' }
  const { status, answer } = await request(control, { method: 'POST', headers, body }, signal)
  if (status === 200) return answer
  throw new UpnpRefusal(Number(textIn(answer, 'errorCode') ?? status), textIn(answer, 'errorDescription') ?? action)
}

/** @throws Error when the answer is late or too long */
async function request(url: URL, init: RequestInit, given: AbortSignal): Promise<{ status: number; answer: string }> {
  using deadline = createDeadline(answerMs, [given])
  const response = await fetch(url, { ...init, redirect: 'error', signal: deadline.signal })
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxAnswerBytes) throw new Error('the answer of the router is too long')
    chunks.push(chunk)
  }
  return { status: response.status, answer: Buffer.concat(chunks).toString('utf8') }
}

/** The service of a description that forwards ports. Its address must be on the router itself. */
export function serviceIn(description: string, location: URL): Service | undefined {
  const described = Array.from(description.matchAll(/<service>(.*?)<\/service>/gs), ([, text = '']) => text)
  for (const type of services) {
    const text = described.find((each) => textIn(each, 'serviceType') === type)
    const control = URL.parse(textIn(text ?? '', 'controlURL') ?? '', textIn(description, 'URLBase') ?? location.href)
    if (text !== undefined && control?.protocol === 'http:' && control.hostname === location.hostname) return { type, control }
  }
  return undefined
}

function textIn(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]{0,1000})</${name}>`).exec(xml)?.[1]?.trim()
  return text === '' ? undefined : text
}

function codeOf(error: unknown): number | undefined {
  return error instanceof UpnpRefusal ? error.code : undefined
}
