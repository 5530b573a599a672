import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { answerPieceBytes, boundAnswer } from '../../lib/bound-answer.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { searchRouter } from './ssdp.ts'

/**
 * Services of UPnP routers: how they are found and called. The few values that are needed are cut from the XML with
 * patterns: what a router says is data, from a host that may be any.
 */
/** Milliseconds for one answer, and its maximum bytes, each piece counted with `answerPieceBytes`. */
const answerMs = 5_000
const maxAnswerBytes = 262_144
/** Milliseconds for a router to be found. */
const searchMs = 4_000

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

/** The first of these services at a router that answers on one of these addresses of this host, and that address. */
export async function findService(
  localIps: string[],
  types: string[],
  signal: AbortSignal,
): Promise<{ service: Service; localIp: string } | undefined> {
  using deadline = createDeadline(searchMs, [signal])
  const device = await searchRouter(localIps, deadline.signal)
  if (device === undefined) return undefined
  const { location, localIp } = device
  const { answer } = await request(location, { localAddress: localIp }, '', signal)
  const service = serviceIn(answer, location, types)
  return service === undefined ? undefined : { service, localIp }
}

/** Calls an action (UPnP Device Architecture 1.1, section 3.2). @throws UpnpRefusal */
export async function act(
  { type, control }: Service,
  action: string,
  values: Record<string, string | number>,
  /** The address of this host that the request leaves from. */
  { from, signal }: { from: string; signal: AbortSignal },
): Promise<string> {
  const content = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`)
  const body = [
    '<?xml version="1.0"?>',
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">',
    `<s:Body><u:${action} xmlns:u="${type}">${content.join('')}</u:${action}></s:Body></s:Envelope>`,
  ].join('')
  const headers = { 'content-type': 'text/xml; charset="utf-8"', soapaction: `"${type}#${action}"`, connection: 'close' }
  const { status, answer } = await request(control, { method: 'POST', headers, localAddress: from }, body, signal)
  if (status === 200) return answer
  throw new UpnpRefusal(Number(textIn(answer, 'errorCode') ?? status), textIn(answer, 'errorDescription') ?? action)
}

/** @throws Error when the answer is late or too long */
async function request(url: URL, options: RequestOptions, body: string, given: AbortSignal): Promise<{ status: number; answer: string }> {
  using deadline = createDeadline(answerMs, [given])
  const asking = boundAnswer(httpRequest(url, { ...options, agent: false, signal: deadline.signal }))
  // It fails again when its answer is given up.
  asking.on('error', () => undefined)
  asking.end(body)
  const response: IncomingMessage = (await once(asking, 'response'))[0]
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length + answerPieceBytes
    if (bytes > maxAnswerBytes) throw new Error('the answer of the router is too long')
    chunks.push(chunk)
  }
  return { status: response.statusCode ?? 0, answer: Buffer.concat(chunks).toString('utf8') }
}

/** The first of these services in a description. Its address must be on the router itself. */
export function serviceIn(description: string, location: URL, types: string[]): Service | undefined {
  const described = partsOf(description, 'service')
  for (const type of types) {
    const text = described.find((each) => textIn(each, 'serviceType') === type)
    const control = URL.parse(textIn(text ?? '', 'controlURL') ?? '', textIn(description, 'URLBase') ?? location.href)
    if (text !== undefined && control?.protocol === 'http:' && control.hostname === location.hostname) return { type, control }
  }
  return undefined
}

/** What stands between the tags of each element. Each character is read once, whatever is missing. */
function partsOf(xml: string, name: string): string[] {
  const [open, close] = [`<${name}>`, `</${name}>`]
  const parts: string[] = []
  for (let at = xml.indexOf(open); at !== -1; ) {
    const end = xml.indexOf(close, at)
    if (end === -1) break
    parts.push(xml.slice(at + open.length, end))
    at = xml.indexOf(open, end)
  }
  return parts
}

/** The type of a service, by its name and version. */
export function serviceType(name: string): string {
  return `urn:schemas-upnp-org:service:${name}`
}

export function textIn(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]{0,1000})</${name}>`).exec(xml)?.[1]?.trim()
  return text === '' ? undefined : text
}

export function codeOf(error: unknown): number | undefined {
  return error instanceof UpnpRefusal ? error.code : undefined
}
