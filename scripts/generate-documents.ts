import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { createApp } from '../src/http/app.ts'
import { defaultLimits } from '../src/limits.ts'

/**
 * Writes openapi.yaml, which is what `GET /openapi.yaml` answers. With `--check` it writes nothing, and fails when the committed file
 * is another.
 */

const file = fileURLToPath(new URL('../openapi.yaml', import.meta.url))
const generated = await openApi()
if (!process.argv.includes('--check')) {
  await writeFile(file, generated)
} else if ((await readFile(file, 'utf8').catch(() => '')) !== generated) {
  console.error('openapi.yaml is not what the schemas say. Run: node scripts/generate-documents.ts')
  process.exitCode = 1
}

/** The document of an app that serves nothing else. */
async function openApi(): Promise<string> {
  const absent = async (): Promise<never> => {
    throw new Error('only the documents are served here')
  }
  const app = await createApp(
    { allowedHosts: [], allowedOrigins: [], limits: defaultLimits },
    {
      node: absent,
      peers: { list: absent, get: absent, dial: absent, hangUp: absent, forget: absent, ping: absent, annotate: absent },
      topics: { join: absent, leave: absent, list: absent, get: absent },
      history: { epoch: absent, page: absent, get: absent },
      publisher: { publish: absent },
      stream: { admit: () => undefined, accept: () => undefined },
      probes: { started: () => false, draining: () => false, store: { position: absent } },
      log: pino({ level: 'warn' }),
    },
  )
  const answer = await app.inject('/openapi.yaml')
  await app.close()
  if (answer.statusCode !== 200) throw new Error(`GET /openapi.yaml answered ${answer.statusCode}`)
  return answer.body
}
