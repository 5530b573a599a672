import { createHash } from 'node:crypto'

/** The types of REST in the TypeScript client, generated from openapi.yaml (generate-rest-types.ts). */
export const restTypesPath = 'clients/typescript/src/openapi.ts'

const sealShape = /^\/\/ Of openapi\.yaml [0-9a-f]{64}: npm run generate:rest-types\n/

/** The generated text behind a line that names the contract, by which `sealHolds` knows both. */
export function sealed(generated: string, contract: string): string {
  return `// Of openapi.yaml ${digest(generated, contract)}: npm run generate:rest-types\n${generated}`
}

/** Whether the types are those that were generated, and of this contract. */
export function sealHolds(types: string, contract: string): boolean {
  return sealed(types.replace(sealShape, ''), contract) === types
}

function digest(generated: string, contract: string): string {
  return createHash('sha256').update(contract).update('\0').update(generated).digest('hex')
}
