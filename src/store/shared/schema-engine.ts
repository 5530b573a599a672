import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm'

/**
 * Prisma's schema engine as WebAssembly: the binary that `prisma migrate` would download is not needed. It is large, so
 * it is loaded only to apply migrations.
 */
export async function loadSchemaEngine(adapter: SqlMigrationAwareDriverAdapterFactory): Promise<SchemaEngine> {
  loaded ??= load()
  const { SchemaEngine } = await loaded
  return await SchemaEngine.new({ datamodels: undefined }, () => undefined, bindMigrationAwareSqlAdapterFactory(adapter))
}

type Bindings = typeof import('@prisma/schema-engine-wasm')

let loaded: Promise<Bindings> | undefined

/**
 * Loads the package as its own entry does, but without importing the WebAssembly as a module: Node prints a warning
 * that this is experimental.
 */
async function load(): Promise<Bindings> {
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const bytes = await readFile(
    createRequire(import.meta.url)
      .resolve('@prisma/schema-engine-wasm/schema_engine_bg')
      .replace(/js$/, 'wasm'),
  )
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings })
  bindings.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return bindings
}
