/** The inner module of the package, whose own declarations omit how it receives its WebAssembly. */
declare module '@prisma/schema-engine-wasm/schema_engine_bg' {
  export * from '@prisma/schema-engine-wasm'
  export function __wbg_set_wasm(exports: WebAssembly.Exports): void
}

/** The part of the WebAssembly API in use; Node's types do not include it. */
declare namespace WebAssembly {
  interface Exports {
    __wbindgen_start(): void
  }
  function instantiate(bytes: Uint8Array, imports: Record<string, object>): Promise<{ instance: { exports: Exports } }>
}
