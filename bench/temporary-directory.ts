import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory, removed with the resources. @param parent by default the system's directory for temporary files */
export async function temporaryDirectory(resources: AsyncDisposableStack, parent = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, 'peergate-bench-'))
  resources.defer(() => rm(directory, { recursive: true }))
  return directory
}
