import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { rolldown } from 'rolldown'
import { licensesOf } from './licenses.ts'

const root = join(import.meta.dirname, '..')

/** Where the gateway looks for the console, whether it runs from its source or from the package. */
export const consoleDirectory = join(root, 'dist/console')

/** Bundles the console with all that it uses: its page fetches nothing from elsewhere, and a gateway needs none of its packages. */
export async function buildConsole(directory: string = consoleDirectory): Promise<void> {
  await mkdir(directory, { recursive: true })
  const bundle = await rolldown({
    cwd: root,
    input: { console: 'console/main.tsx' },
    platform: 'browser',
    tsconfig: 'console/tsconfig.json',
  })
  const { output } = await bundle.generate({ format: 'esm', minify: true, codeSplitting: false })
  await bundle.close()
  const [{ code, moduleIds }] = output
  const ofCharts = createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css')
  const styles = await Promise.all([ofCharts, join(root, 'console/style.css')].map((file) => readFile(file, 'utf8')))
  const files = {
    'console.js': code,
    'licenses.txt': await licensesOf(moduleIds),
    'console.css': styles.join('\n'),
    'index.html': await readFile(join(root, 'console/index.html'), 'utf8'),
  }
  for (const [name, text] of Object.entries(files)) await replace(join(directory, name), text)
}

/** Whoever reads the file meanwhile has the old one or the new one, not a part of it. */
async function replace(path: string, text: string): Promise<void> {
  const written = join(dirname(dirname(path)), `${basename(path)}.${process.pid}`)
  await writeFile(written, text)
  await rename(written, path)
}

if (import.meta.main) await buildConsole()
