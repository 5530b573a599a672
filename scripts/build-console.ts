import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
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
  const { output } = await bundle.write({ dir: directory, format: 'esm', minify: true, codeSplitting: false })
  await bundle.close()
  const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
  await writeFile(join(directory, 'licenses.txt'), await licensesOf(modules))
  const ofCharts = createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css')
  const styles = await Promise.all([ofCharts, join(root, 'console/style.css')].map((file) => readFile(file, 'utf8')))
  await writeFile(join(directory, 'console.css'), styles.join('\n'))
  await copyFile(join(root, 'console/index.html'), join(directory, 'index.html'))
}

if (import.meta.main) await buildConsole()
