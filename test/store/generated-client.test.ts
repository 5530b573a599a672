import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { generateClient } from '../../scripts/generate-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function contents(directory: string): Promise<Record<string, string>> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name))
  return Object.fromEntries(await Promise.all(paths.map(async (path) => [path.slice(directory.length), await readFile(path, 'utf8')])))
}

test.each(['sqlite', 'postgresql'])('the committed client is what the models generate (npm run generate): %s', async (provider) => {
  // The schema says where the client goes by a path relative to itself.
  const directory = await temporaryDirectory()
  await cp(join(root, 'prisma'), join(directory, 'prisma'), { recursive: true, dereference: true })
  generateClient(join(directory, 'prisma', provider))
  const output = join('src/store/generated', provider)
  expect(await contents(join(directory, output))).toEqual(await contents(join(root, output)))
})
