/** Each is a folder of `examples/clients`, with what builds it besides Node.js. */
export const clientTools = {
  'openapi-fetch': [],
  'hey-api': [],
  'openapi-python-client': ['python3'],
  'openapi-generator-python': ['python3', 'java'],
  'oapi-codegen': ['go'],
  'openapi-generator-go': ['python3', 'java', 'go'],
  'openapi-generator-java': ['python3', 'java', 'mvn'],
  'openapi-generator-rust': ['python3', 'java', 'cargo'],
} as const satisfies Record<string, readonly Tool[]>

export type ClientName = keyof typeof clientTools
export type Tool = 'python3' | 'java' | 'mvn' | 'go' | 'cargo'

export const clientNames = Object.keys(clientTools).filter((name): name is ClientName => name in clientTools)

export interface BuiltClient {
  /** The folder in which `run.sh` runs. */
  readonly at: string
  readonly env: Readonly<Record<string, string>>
}

/** Why there is none. */
export interface MissingClient {
  readonly missing: string
}

export type Clients = Record<ClientName, BuiltClient | MissingClient>

/** Where `run.ts` tells the tests what it has built, as JSON. */
export const clientsVariable = 'PEERGATE_GENERATED_CLIENTS'

/** @throws Error when the tests were not started by `npm run test:clients` */
export function clientsOfRun(): Clients {
  const told = process.env[clientsVariable]
  if (told === undefined) throw new Error('npm run test:clients builds the clients and starts these tests')
  return JSON.parse(told)
}
