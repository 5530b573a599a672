import { isIP } from 'node:net'
import { databaseUrlProblem } from '../store/database-url.ts'
import type { Environment } from './environment.ts'

/** What is wrong with one variable, and how to mend it. */
export interface ConfigProblem {
  variable: string
  problem: string
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
  if (token !== undefined && file !== undefined) add('PEERGATE_ADMIN_TOKEN_FILE', 'stands beside PEERGATE_ADMIN_TOKEN; set one of them')
  if (jwks !== undefined && !/^https?:\/\//.test(URL.canParse(jwks) ? jwks : ''))
    add('PEERGATE_JWT_JWKS_URL', `is "${jwks}", which is no URL`)
  if (jwks !== undefined && secret !== undefined) add('PEERGATE_JWT_SECRET', 'stands beside PEERGATE_JWT_JWKS_URL; set one of them')
  if (secret !== undefined && secret.length < minSharedKeyLength)
    add('PEERGATE_JWT_SECRET', `must have at least ${minSharedKeyLength} characters`)
  if ((jwks ?? secret) !== undefined && audience === undefined)
    add('PEERGATE_JWT_AUDIENCE', 'is missing: without it a token that the provider made for any other service would do')
  return problems
}

/** What is wrong with the operator's token, as the end of a sentence, or undefined. */
export function adminTokenProblem(token: string): string | undefined {
  // Shorter ones can be guessed; others can't be sent (RFC 6750 §2.1).
  return /^[\w.~+/-]{16,}=*$/.test(token) ? undefined : 'must have at least 16 characters, all of them letters, digits or -._~+/'
}

/** RFC 7518 §3.2: as many bytes as the hash of HS256. */
const minSharedKeyLength = 32

export function tracingProblems(endpoint: string | undefined): ConfigProblem[] {
  if (endpoint === undefined || (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol))) return []
  return [{ variable: 'OTEL_EXPORTER_OTLP_ENDPOINT', problem: `is "${endpoint}", which is no URL; one looks like http://collector:4318` }]
}

export function proxyProblems(proxies: string[]): ConfigProblem[] {
  return proxies
    .filter((proxy) => {
      const [address = '', bits, ...rest] = proxy.split('/')
      const family = isIP(address)
      return (
        family === 0 || rest.length > 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
      )
    })
    .map((proxy) => ({
      variable: 'PEERGATE_TRUSTED_PROXIES',
      problem: `has "${proxy}", which is neither an address nor a network such as 10.0.0.0/8`,
    }))
}

export function originProblems(origins: string[]): ConfigProblem[] {
  return origins
    .filter((origin) => !URL.canParse(origin) || new URL(origin).origin !== origin)
    .map((origin) => ({
      variable: 'PEERGATE_ALLOWED_ORIGINS',
      problem: `has "${origin}", which is not an origin; one looks like https://app.example`,
    }))
}
