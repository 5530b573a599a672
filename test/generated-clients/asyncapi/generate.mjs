import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/**
 * Parses an AsyncAPI document and makes types of its messages. Writes `diagnostics.json`, `examples.json` with the title
 * and payload of each example, and for each language `plain`, as Modelina makes types by default, and `json`, with its
 * support for JSON.
 */

const [tools = '', documentPath = '', output = ''] = process.argv.slice(2)
const require = createRequire(join(tools, 'package.json'))
const { Parser } = require('@asyncapi/parser')
const modelina = require('@asyncapi/modelina')

const { document, diagnostics } = await new Parser().parse(await readFile(documentPath, 'utf8'))
await mkdir(output, { recursive: true })
await writeFile(join(output, 'diagnostics.json'), JSON.stringify(diagnostics.map(({ code, message }) => ({ code, message }))))
const examples = document
  .channels()
  .all()
  .flatMap((channel) => channel.messages().all())
  .flatMap((message) =>
    message
      .examples()
      .all()
      .map((example) => ({ title: message.title(), payload: example.payload() })),
  )
await writeFile(join(output, 'examples.json'), JSON.stringify(examples))

const names = { packageName: 'peergate' }
const esm = { exportType: 'named', moduleSystem: 'ESM' }
const { GoFileGenerator, JavaFileGenerator, PythonFileGenerator, TypeScriptFileGenerator } = modelina
const typescript = { modelType: 'interface', enumType: 'union', mapType: 'record', rawPropertyNames: true }
const goTags = { presets: [{ preset: modelina.GO_COMMON_PRESET, options: { addJsonTag: true } }] }
const variants = {
  'typescript/plain': [new TypeScriptFileGenerator(), esm],
  'typescript/json': [new TypeScriptFileGenerator(typescript), esm],
  'python/plain/peergate': [new PythonFileGenerator(), names],
  'python/json/peergate': [new PythonFileGenerator({ presets: [modelina.PYTHON_PYDANTIC_PRESET] }), names],
  'go/plain/peergate': [new GoFileGenerator(), names],
  'go/json/peergate': [new GoFileGenerator(goTags), names],
  'java/plain/peergate': [new JavaFileGenerator(), names],
  'java/json/peergate': [new JavaFileGenerator({ presets: [modelina.JAVA_JACKSON_PRESET] }), names],
}
for (const [directory, [generator, options]] of Object.entries(variants)) {
  await mkdir(join(output, directory), { recursive: true })
  await generator.generateToFiles(document, join(output, directory), options)
}
