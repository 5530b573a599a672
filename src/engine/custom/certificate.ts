import { readFile } from 'node:fs/promises'
import { StartupError } from '../../lib/startup-error.ts'

/**
 * Reads a certificate and its key. Called at each start, so that a renewed certificate takes effect.
 * @throws StartupError
 */
export async function readCertificate(
  files: { certFile: string | undefined; keyFile: string | undefined } | undefined,
): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (files?.certFile === undefined || files.keyFile === undefined) return undefined
  return { cert: await read(files.certFile, 'PEERGATE_TLS_CERT_FILE'), key: await read(files.keyFile, 'PEERGATE_TLS_KEY_FILE') }
}

async function read(path: string, variable: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StartupError(`The file ${path} can't be read (${reason}). ${variable} names it.`, { cause })
  }
}
