import { lookup, Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { createSemaphore } from './semaphore.ts'
import { createShares } from './shares.ts'

/**
 * The IP addresses of a host name that others have told: of a webhook, or in the address of a peer. Family 0 is both.
 * `holder` is the client or the peer that has told it: holders take turns where names have to wait.
 * @throws the signal's reason, or an error whose `code` is that of `node:dns`
 */
export type LookUp = (name: string, family: 0 | 4 | 6, signal: AbortSignal, holder: string) => Promise<string[]>

export interface LookUpInit {
  /** DNS servers, as `address:port`. Default: those of the system. */
  servers?: string[]
  /** Time for the first answer of a server, in milliseconds; the second and last try has twice as long. */
  timeoutMs?: number
  hostsFile?: string
  /** The resolver of the system. */
  system?: (name: string, family: 0 | 4 | 6) => Promise<string[]>
}

/** Lookups by the system's resolver that wait for their turn, shared by holders. */
const maxWaiting = 100
/** What says that DNS does not have a name, or that there is no DNS: the system may know it in another way. */
const unknownToDns = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED'])
/** What a DNS server of the local system (systemd-resolved) says of names that it does not look up by DNS. */
const declinedByDns = new Set(['ESERVFAIL', 'EREFUSED'])
/** A name of one label, or of mDNS (RFC 6762 §3). */
const localName = /^[^.]+\.?$|\.local\.?$/i

/**
 * The system's resolver does one lookup at a time in this process, and holders take turns: the slow lookups of one delay a
 * lookup of another by at most one.
 */
const places = createSemaphore({ max: 1, maxWaiting, shares: (max) => createShares({ max }) })

/**
 * Looks names up without the threads of the process. `dns.lookup` holds a thread until the resolver of the system gives
 * up, and all such lookups share half of them (libuv): two names whose server does not answer would hold up those of the
 * database and of the identity provider. So the hosts file is read here and DNS is asked by a socket, within a time. Only
 * a name that both do not have (a search domain, mDNS) is looked up by the system, one at a time.
 */
export function createLookUp(init: LookUpInit = {}): LookUp {
  const { servers, timeoutMs = 2_000, hostsFile = '/etc/hosts', system = bySystem } = init

  /** A resolver for each lookup: it reads the settings of the system, which change, and its queries end with the signal. */
  async function byDns(name: string, family: 0 | 4 | 6, signal: AbortSignal): Promise<string[] | undefined> {
    signal.throwIfAborted()
    const resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
    if (servers !== undefined) resolver.setServers(servers)
    const cancel = () => resolver.cancel()
    signal.addEventListener('abort', cancel)
    try {
      const answers = await Promise.allSettled([
        ...(family === 6 ? [] : [resolver.resolve4(name)]),
        ...(family === 4 ? [] : [resolver.resolve6(name)]),
      ])
      signal.throwIfAborted()
      const found = alternated(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : [])))
      const failure = answers.find((answer) => answer.status === 'rejected' && !mayBeKnownToSystem(name, answer.reason.code))
      if (found.length === 0 && failure?.status === 'rejected') throw failure.reason
      return found.length === 0 ? undefined : found
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  /** The place is held until the system has answered, also when nobody waits for it any more. */
  async function inTurn(name: string, family: 0 | 4 | 6, signal: AbortSignal, holder: string): Promise<string[]> {
    const place = await places.take(signal, holder)
    if (place === undefined) throw Object.assign(new Error('too many names wait for the resolver of the system'), { code: 'EBUSY' })
    return await system(name, family).finally(() => place[Symbol.dispose]())
  }

  return async (name, family, signal, holder) => {
    const isWanted = (address: string) => family === 0 || isIP(address) === family
    const inFile = inHosts(await readFile(hostsFile, 'utf8').catch(() => ''), name).filter(isWanted)
    if (inFile.length > 0) return inFile
    return (await byDns(name, family, signal)) ?? (await inTurn(name, family, signal, holder))
  }
}

function mayBeKnownToSystem(name: string, code: string): boolean {
  return unknownToDns.has(code) || (declinedByDns.has(code) && localName.test(name))
}

/** The items of the lists in turn: who tries only the first few addresses then tries both families. */
function alternated(lists: string[][]): string[] {
  const longest = Math.max(...lists.map(({ length }) => length))
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat()
}

/** The addresses of a name in the text of a hosts file (hosts(5)). */
function inHosts(text: string, name: string): string[] {
  const wanted = name.toLowerCase()
  // Files that block names have many thousands of lines: splitting them for each lookup would block the event loop.
  if (!text.toLowerCase().includes(wanted)) return []
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    return isIP(address) !== 0 && names.some((each) => each.toLowerCase() === wanted) ? [address] : []
  })
}

async function bySystem(name: string, family: 0 | 4 | 6): Promise<string[]> {
  return (await lookup(name, { all: true, family })).map(({ address }) => address)
}
