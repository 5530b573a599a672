import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'vitest'
import { pythonEnvironment } from '../fixtures/python-environment.ts'

export const clientPackage = fileURLToPath(new URL('../../clients/python', import.meta.url))

/** The package is used from its sources. */
export const clientVariables = { PYTHONPATH: join(clientPackage, 'src'), PYTHONDONTWRITEBYTECODE: '1' }

const packages = ['websockets==17.4', 'httpx==0.28.1', 'mypy==2.4.1']

/** @returns a Python that has what the package needs, and the checker of its types */
export async function clientPython(skip: TestContext['skip']): Promise<string> {
  return join(await pythonEnvironment(packages, skip), 'bin/python')
}
