import { readdir, readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'

/** The licenses of the packages that modules come from, as these ask for wherever a copy of them is. */
export async function licensesOf(modules: string[]): Promise<string> {
  const texts: string[] = []
  for (const directory of new Set(modules.flatMap(packageOf).toSorted())) {
    const { name, version, license }: { name: string; version: string; license?: string } = JSON.parse(
      await readFile(join(directory, 'package.json'), 'utf8'),
    )
    const files = (await readdir(directory)).filter((file) => /^(licen[sc]e|notice|copying)/i.test(file)).toSorted()
    const contents = await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')))
    texts.push(`${name} ${version} (${license ?? 'see below'})\n\n${contents.map((text) => text.trim()).join('\n\n')}`)
  }
  return `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}

/** The directory of the package of a module; none for a module of this project. */
function packageOf(id: string): string[] {
  const parts = id.split(sep)
  const at = parts.lastIndexOf('node_modules')
  if (at === -1) return []
  return [parts.slice(0, at + (parts[at + 1]?.startsWith('@') ? 3 : 2)).join(sep)]
}
