import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { link, open, readFile, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeDurableDirectory, syncDirectory } from '../lib/durable-directory.ts'
import { roomToStart } from '../lib/startup-error.ts'
import { InvalidKeyFile } from './errors.ts'

/**
 * Loads the 32-byte seed of the Ed25519 key in the file (PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes
 * it). A missing file is created, readable by its owner only; two processes that create it at once get the same key.
 * @throws InvalidKeyFile when others may read the file, or it holds no Ed25519 key
 */
export async function loadKeyFile(path: string): Promise<Uint8Array> {
  const pem = (await readKeyFile(path)) ?? (await createKeyFile(path))
  try {
    const { d } = createPrivateKey(pem).export({ format: 'jwk' })
    const seed = Buffer.from(d ?? '', 'base64url')
    if (seed.length === 32 && createPrivateKey(pem).asymmetricKeyType === 'ed25519') return seed
  } catch {
    // falls through: it is not a key
  }
  throw new InvalidKeyFile(
    `${path} does not hold an Ed25519 private key in PEM. Restore it from a backup, or move it away to start with a new identity.`,
  )
}

async function readKeyFile(path: string): Promise<Buffer | undefined> {
  try {
    const problem = process.platform === 'win32' ? undefined : await secrecyProblem(path)
    if (problem !== undefined) throw new InvalidKeyFile(problem)
    return await readFile(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    if (!isCode(error, 'EACCES') && !isCode(error, 'EISDIR')) throw error
    throw new InvalidKeyFile(
      `The key ${path} (PEERGATE_KEY_FILE) is not readable by the gateway's user. Make that user the owner of the file and its directories, or give the file to one of its groups with mode 0440.`,
      { cause: error },
    )
  }
}

/**
 * Describes who else may read or replace the key. A group of the process may read it, as is usual for a mounted secret.
 * The group may write it only if it may write the directory too, and the directory's set-group-id bit shows that an
 * orchestrator gave the volume to the group (`fsGroup`).
 */
async function secrecyProblem(path: string): Promise<string | undefined> {
  const { mode, gid } = await stat(path)
  if ((mode & 0o007) !== 0) return `${path} can be read by every user of this machine. If the key was not copied: chmod 600 ${path}`
  if ((mode & 0o070) === 0) return undefined
  const isOwnGroup = process.getegid?.() === gid || (process.getgroups?.() ?? []).includes(gid)
  if (!isOwnGroup) return `${path} can be read by a group that the gateway is not in. If the key was not copied: chmod 600 ${path}`
  if ((mode & 0o020) === 0) return undefined
  const directory = await stat(dirname(path))
  if (directory.gid === gid && (directory.mode & 0o2020) === 0o2020) return undefined
  return `${path} can be replaced by its group. If it was not replaced: chmod 600 ${path}, or 440 for a secret that the group reads`
}

async function createKeyFile(path: string): Promise<Buffer> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })
  const draft = `${path}.${randomUUID()}`
  try {
    makeDurableDirectory(dirname(path))
    await writeDurably(draft, pem)
    await link(draft, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) {
      const reason = error instanceof Error ? error.message : String(error)
      if (isCode(error, 'ENOSPC')) {
        throw new InvalidKeyFile(
          `There is no key at ${path} (PEERGATE_KEY_FILE), and none can be created because the disk is full. To fix this, ${roomToStart}.`,
          { cause: error },
        )
      }
      throw new InvalidKeyFile(
        `There is no key at ${path} (PEERGATE_KEY_FILE), and none can be created (${reason}). Put one there, or set a directory that is writable for the gateway and has free space.`,
        { cause: error },
      )
    }
  } finally {
    await unlink(draft).catch(() => undefined)
  }
  syncDirectory(dirname(path))
  return await readFile(path)
}

/** Writes the complete file and syncs it to disk. */
async function writeDurably(path: string, content: string | Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
