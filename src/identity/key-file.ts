import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { link, open, readFile, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeDurableDirectory, syncDirectory } from '../lib/durable-directory.ts'
import { roomToStart } from '../lib/startup-error.ts'
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
    const problem = process.platform === 'win32' ? undefined : await secrecyProblem(path)
    if (problem !== undefined) throw new InvalidKeyFile(problem)
    return await readFile(path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    if (!isCode(error, 'EACCES') && !isCode(error, 'EISDIR')) throw error
    throw new InvalidKeyFile(
      `The key ${path} (PEERGATE_KEY_FILE) can't be read by the user that the gateway runs as. Give it, and the directories above it, to that user, or to one of its groups with the mode 0440.`,
      { cause: error },
    )
  }
}

/**
 * Who else may read or replace the key. A group that the process is in may read it, as a mounted secret's does. It may write it only where
 * it may write the directory too, whose set-group-id bit says that an orchestrator has given the volume to the group (`fsGroup`).
 */
async function secrecyProblem(path: string): Promise<string | undefined> {
  const { mode, gid } = await stat(path)
  if ((mode & 0o007) !== 0) return `${path} can be read by everyone on this machine. If nobody copied it: chmod 600 ${path}`
  if ((mode & 0o070) === 0) return undefined
  const isOwnGroup = process.getegid?.() === gid || (process.getgroups?.() ?? []).includes(gid)
  if (!isOwnGroup) return `${path} can be read by a group that the gateway is not in. If nobody copied it: chmod 600 ${path}`
  if ((mode & 0o020) === 0) return undefined
  const directory = await stat(dirname(path))
  if (directory.gid === gid && (directory.mode & 0o2020) === 0o2020) return undefined
  return `${path} can be replaced by its group. If nobody did: chmod 600 ${path}, or 440 for a secret that the group reads`
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
          `There is no key at ${path} (PEERGATE_KEY_FILE), and none can be made: the disk is full. Mend that first: ${roomToStart}.`,
          { cause: error },
        )
      }
      throw new InvalidKeyFile(
        `There is no key at ${path} (PEERGATE_KEY_FILE), and none can be made there (${reason}). Put one there, or lead to a directory with room that the gateway can write to.`,
        { cause: error },
      )
    }
  } finally {
    await unlink(draft).catch(() => undefined)
  }
  syncDirectory(dirname(path))
  return await readFile(path)
}

/** Whole and on the disk, or not at all under its name. */
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
