import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { buffer, text } from 'node:stream/consumers'
import { Misuse } from './failures.ts'

/** What a program has come to. */
export interface Ended {
  code: number
  stdout: Uint8Array
  stderr: string
}

/**
 * Runs a program with data on its standard input.
 * @param env added to the environment of this process
 * @param shown whether its output goes where that of this process goes, instead of being returned
 */
export async function runChild(
  [program, ...args]: readonly string[],
  data: Uint8Array,
  { env = {}, signal, shown = false }: { env?: Record<string, string>; signal?: AbortSignal; shown?: boolean },
): Promise<Ended> {
  if (program === undefined) throw new Misuse('The program to run is missing.')
  const output = shown ? 'inherit' : 'pipe'
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', output, output],
    ...(signal === undefined ? {} : { signal }),
  })
  // A program may not read all that it gets.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(data)
  const nothing = Promise.resolve(Buffer.alloc(0))
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout === null ? nothing : buffer(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
    once(child, 'close'),
  ])
  return { code: typeof code === 'number' ? code : 1, stdout, stderr }
}
