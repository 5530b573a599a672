import { isIP } from 'node:net'
import { topicPatternProblem } from '../model/topic.ts'
import { databaseUrlProblem } from '../store/database-url.ts'
import { type Environment, engineOf, toGetEngine } from './environment.ts'

/** A problem with one variable, worded so that it follows the name. */
export interface ConfigProblem {
  variable: string
  problem: string
}

export function engineProblems(values: Environment): ConfigProblem[] {
  const { LIBP2P_ENABLED: flag, PEERGATE_ENGINE: engine, PEERGATE_BRIDGE_TOPICS: topics } = values
  const problems = topics.flatMap((topic) => {
    const problem = topicPatternProblem(topic)
    return problem === undefined ? [] : [{ variable: 'PEERGATE_BRIDGE_TOPICS', problem: `has "${topic}", which ${problem}` }]
  })
  if (flag !== undefined && engine !== undefined && engineOf({ LIBP2P_ENABLED: flag }) !== engine)
    problems.push({ variable: 'PEERGATE_ENGINE', problem: `is ${engine}, but LIBP2P_ENABLED is ${flag}; set only one of them` })
  if (topics.length > 0 && engineOf(values) !== 'both')
    problems.push({ variable: 'PEERGATE_BRIDGE_TOPICS', problem: `is set, which is for a bridge; ${toGetEngine('both', values)}` })
  return problems
}

export function databaseProblems(url: string | undefined): ConfigProblem[] {
  const problem = url === undefined ? undefined : databaseUrlProblem(url)
  return problem === undefined ? [] : [{ variable: 'DATABASE_URL', problem }]
}

export function accessProblems(values: Environment): ConfigProblem[] {
  const { PEERGATE_ADMIN_TOKEN: token, PEERGATE_ADMIN_TOKEN_FILE: file } = values
  const { PEERGATE_JWT_JWKS_URL: jwks, PEERGATE_JWT_SECRET: secret, PEERGATE_JWT_AUDIENCE: audience } = values
  const problems: ConfigProblem[] = []
  const add = (variable: string, problem: string) => void problems.push({ variable, problem })
  const problem = token === undefined ? undefined : adminTokenProblem(token)
  if (problem !== undefined) add('PEERGATE_ADMIN_TOKEN', problem)
  if (token !== undefined && file !== undefined)
    add('PEERGATE_ADMIN_TOKEN_FILE', 'is set together with PEERGATE_ADMIN_TOKEN; set only one of them')
  if (jwks !== undefined && !/^https?:\/\//.test(URL.canParse(jwks) ? jwks : ''))
    add('PEERGATE_JWT_JWKS_URL', `is "${jwks}", which is not a URL`)
  if (jwks !== undefined && secret !== undefined)
    add('PEERGATE_JWT_SECRET', 'is set together with PEERGATE_JWT_JWKS_URL; set only one of them')
  if (secret !== undefined && secret.length < minSharedKeyLength)
    add('PEERGATE_JWT_SECRET', `must have at least ${minSharedKeyLength} characters`)
  if ((jwks ?? secret) !== undefined && audience === undefined)
    add('PEERGATE_JWT_AUDIENCE', 'is missing: without it, a token that the provider issued for any other service would be accepted')
  return problems
}

/** The problem with an admin token, worded so that it follows the name of its source; undefined when it is valid. */
export function adminTokenProblem(token: string): string | undefined {
  // A shorter token can be guessed; other characters can't be sent (RFC 6750 §2.1).
  return /^[\w.~+/-]{16,}=*$/.test(token) ? undefined : 'must have at least 16 characters, only letters, digits and -._~+/'
}

/** RFC 7518 §3.2: the size of the HS256 hash, in bytes. */
const minSharedKeyLength = 32

export function tracingProblems(endpoint: string | undefined): ConfigProblem[] {
  if (endpoint === undefined || (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol))) return []
  return [{ variable: 'OTEL_EXPORTER_OTLP_ENDPOINT', problem: `is "${endpoint}", which is not a URL such as http://collector:4318` }]
}

export function proxyProblems(proxies: string[]): ConfigProblem[] {
  return proxies
    .filter((proxy) => !isNetwork(proxy))
    .map((proxy) => ({
      variable: 'PEERGATE_TRUSTED_PROXIES',
      problem: `contains "${proxy}", which is neither an address nor a network such as 10.0.0.0/8`,
    }))
}

export function webhookHostProblems(hosts: string[]): ConfigProblem[] {
  return hosts
    .filter((host) => !isNetwork(host) && !/^(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(host))
    .map((host) => ({
      variable: 'PEERGATE_WEBHOOK_ALLOW',
      problem: `contains "${host}", which is neither a host name nor an address nor a network such as 10.0.0.0/8`,
    }))
}

/** Whether a text is an IP address, or a network in CIDR notation. */
function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  return family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
}

export function originProblems(origins: string[]): ConfigProblem[] {
  return origins
    .filter((origin) => !URL.canParse(origin) || new URL(origin).origin !== origin)
    .map((origin) => ({
      variable: 'PEERGATE_ALLOWED_ORIGINS',
      problem: `contains "${origin}", which is not an origin such as https://app.example`,
    }))
}
