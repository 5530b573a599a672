import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { InvalidKeyFile } from './errors.ts'

/**
 * The 32-byte seed of the Ed25519 key in the file (PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it). A missing file is
 * created, readable by its owner only; two processes that create it at once get the same key.
 * @throws InvalidKeyFile when others may read the file, or it holds no Ed25519 key
 */
export async function loadKeyFile(path: string): Promise<Uint8Array> {
  const pem = (await readKeyFile(path)) ?? (await createKeyFile(path))
  try {
    const { d } = createPrivateKey(pem).export({ format: 'jwk' })
    const seed = Buffer.from(d ?? '', 'base64url')
    if (seed.length === 32 && createPrivateKey(pem).asymmetricKeyType === 'ed25519') return seed
  } catch {
    // falls through: whatever is wrong with it, it is no key
  }
  throw new InvalidKeyFile(
    `${path} holds no Ed25519 private key in PEM. Restore it from a backup, or move it away to start with a new identity.`,
  )
}

async function readKeyFile(path: string): Promise<Buffer | undefined> {
  try {
    const { mode } = await stat(path)
    if (process.platform !== 'win32' && (mode & 0o007) !== 0) {
      throw new InvalidKeyFile(`${path} can be read by everyone on this machine. If nobody copied it: chmod 600 ${path}`)
    }
    return await readFile(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function createKeyFile(path: string): Promise<Buffer> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })
  const draft = `${path}.${randomUUID()}`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(pem)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(draft, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  } finally {
    await unlink(draft)
  }
  return await readFile(path)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
