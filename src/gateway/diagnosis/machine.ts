import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fitToDescriptors } from '../../http/descriptors.ts'
import { reasonOf } from '../../lib/startup-error.ts'
import type { Limits } from '../../limits.ts'
import type { Finding } from '../../model/finding.ts'

/** What of this machine would stop a gateway or hold it back. */

/** Bytes of free space: below the first SQLite soon has no room for its log, below the second messages fill it within days. */
const freeSpace = { leastBytes: 64 * 2 ** 20, comfortableBytes: 2 ** 30 }

/** No clock of a running machine shows an earlier time: a device without a battery starts in the past. */
const earliest = Date.UTC(2025, 0, 1)
/** Milliseconds that clocks of two machines may differ by before an expiry or a retention is noticeably off. */
const clockToleranceMs = 5_000

/** Of the disk of a directory, for users other than root. */
export async function freeDiskBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/** @param directory need not exist yet */
export async function diskFinding(directory: string): Promise<Finding> {
  const { bavail, bsize, ffree, files } = await statfs(existing(directory))
  // Some file systems do not count files.
  return judgeDisk({ directory, freeBytes: bavail * bsize, hasFiles: files === 0 || ffree > 0 })
}

export function judgeDisk({ directory, freeBytes, hasFiles }: { directory: string; freeBytes: number; hasFiles: boolean }): Finding {
  const free = `${Math.floor(freeBytes / 2 ** 20).toLocaleString('en')} MiB are free for ${directory}`
  const fix = 'Free some space, set PEERGATE_DATA_DIR to a larger disk, or keep less (PEERGATE_RETENTION_MAX_BYTES).'
  if (!hasFiles) return { check: 'disk', state: 'problem', detail: `The disk of ${directory} has no room for further files.`, fix }
  if (freeBytes < freeSpace.leastBytes) return { check: 'disk', state: 'problem', detail: `Only ${free}.`, fix }
  if (freeBytes < freeSpace.comfortableBytes) return { check: 'disk', state: 'warning', detail: `Only ${free}.`, fix }
  return { check: 'disk', state: 'ok', detail: `${free}.` }
}

/** @param warnings what the configuration contains that no setting is for */
export function judgeConfiguration(warnings: string[]): Finding {
  if (warnings.length === 0) return { check: 'configuration', state: 'ok', detail: 'The configuration is valid.' }
  return { check: 'configuration', state: 'warning', detail: warnings.join(' '), fix: 'Correct or remove the variables.' }
}

/** Times, in milliseconds since 1970. */
export interface Clocks {
  now: number
  /** Of the newest thing that was written here, if there is one. */
  newest?: number | undefined
  /** Of another clock that should show the same. */
  other?: { whose: string; at: number } | undefined
  /** Whether the gateway has seen its clock step, and does not follow it yet. */
  isHeld?: boolean
}

export function judgeClock({ now, newest, other, isHeld = false }: Clocks): Finding {
  const fix = 'Set the clock, and keep it right by NTP (timedatectl set-ntp true).'
  const shown = new Date(now).toISOString()
  if (now < earliest) return { check: 'clock', state: 'problem', detail: `The clock shows ${shown}, which is in the past.`, fix }
  if (newest !== undefined && newest > now + clockToleranceMs) {
    const detail = `The clock shows ${shown}, but files of the gateway are of ${new Date(newest).toISOString()}: it has stepped back.`
    return { check: 'clock', state: 'warning', detail, fix }
  }
  if (isHeld) {
    const detail = `The clock has stepped to ${shown}; the gateway follows it once it is steady.`
    return { check: 'clock', state: 'warning', detail, fix }
  }
  const apart = other === undefined ? 0 : Math.abs(now - other.at)
  if (apart > clockToleranceMs) {
    const detail = `The clock and that of ${other?.whose} are ${Math.round(apart / 1_000)} s apart.`
    return { check: 'clock', state: 'warning', detail, fix }
  }
  return { check: 'clock', state: 'ok', detail: `The clock shows ${shown}.` }
}

export function judgeDescriptors(init: { limits: Limits; descriptors: number; listeners: number }): Finding {
  const { limits, descriptors, listeners } = init
  const fitted = fitToDescriptors(limits, { descriptors, listeners })
  const lowered = (['maxConnections', 'maxHttpConnections', 'maxStreamConnections'] as const).filter((name) => fitted[name] < limits[name])
  const detail = `This process may open ${descriptors.toLocaleString('en')} files and sockets`
  if (lowered.length === 0) return { check: 'descriptors', state: 'ok', detail: `${detail}.` }
  return {
    check: 'descriptors',
    state: 'warning',
    detail: `${detail}: ${lowered.map((name) => `${name} is ${fitted[name]} instead of ${limits[name]}`).join(', ')}.`,
    fix: 'Raise the limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker).',
  }
}

/** The latest request with X-Forwarded-For of an address that is no trusted proxy; the time in milliseconds since 1970. */
export interface Forwarding {
  address: string
  at: number
}

/** Milliseconds for which such a request is spoken of: the proxy may have become a trusted one, or gone, since. */
const forwardingMs = 3_600_000

/**
 * What settings and requests say of proxies: whether clients behind one are told apart, and whether others can pretend to be one.
 * @param forwarding of a running gateway
 */
export function judgeProxy(
  http: { host: string; allowedHosts: string[]; trustedProxies: string[] },
  forwarding?: Forwarding,
  now: number = Date.now(),
): Finding {
  const everyone = http.trustedProxies.filter((network) => /\/0$/.test(network))
  if (everyone.length > 0) {
    return {
      check: 'proxy',
      state: 'problem',
      detail: `PEERGATE_TRUSTED_PROXIES contains ${everyone.join(', ')}: any client can choose its address by X-Forwarded-For.`,
      fix: 'List the addresses of your proxies only.',
    }
  }
  if (forwarding !== undefined && now - forwarding.at <= forwardingMs) {
    return {
      check: 'proxy',
      state: 'warning',
      detail: `Requests with X-Forwarded-For come from ${forwarding.address}, which is no trusted proxy: if it is one, all its clients share the limits of one address.`,
      fix: 'If it is your proxy, add its address to PEERGATE_TRUSTED_PROXIES. A client that sends the header gains nothing by it.',
    }
  }
  if (http.allowedHosts.length > 0 && http.trustedProxies.length === 0) {
    return {
      check: 'proxy',
      state: 'warning',
      detail: `The gateway is reached as ${http.allowedHosts.join(', ')}, and trusts no proxy: if there is one, all its clients share the limits of one address.`,
      fix: 'Set PEERGATE_TRUSTED_PROXIES to the address of the proxy, or to nothing where there is no proxy.',
    }
  }
  const detail =
    http.trustedProxies.length === 0 ? 'No proxy is trusted.' : `X-Forwarded-For counts from ${http.trustedProxies.join(', ')}.`
  return { check: 'proxy', state: 'ok', detail }
}

function existing(directory: string): string {
  try {
    statSync(directory)
    return directory
  } catch (error) {
    const above = dirname(directory)
    if (above === directory) throw new Error(`${directory}: ${reasonOf(error)}`, { cause: error })
    return existing(above)
  }
}
