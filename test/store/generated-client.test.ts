import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFile(join(root, path), 'utf8')

test.each([
  ['sqlite', 'class.ts'],
  ['postgresql', 'postgresql-class.ts'],
])('the committed client is that of the models (npm run generate:client): %s', async (provider, file) => {
  const generated = await read(`src/store/generated/internal/${file}`)
  const [models, schema] = await Promise.all([read('prisma/models.prisma'), read(`prisma/${provider}/schema.prisma`)])
  expect(stringIn(generated, 'inlineSchema')).toBe(`${models}\n${schema}`)
  const { version } = JSON.parse(await read('node_modules/@prisma/client/package.json'))
  expect(stringIn(generated, 'clientVersion')).toBe(version)
})

function stringIn(source: string, name: string): unknown {
  return JSON.parse(new RegExp(`"${name}": ("(?:[^"\\\\]|\\\\.)*")`).exec(source)?.[1] ?? 'null')
}
