import { createHash } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'
import { encode } from 'cborg'
import { z } from 'zod'
import { InvalidRecord } from '../errors.ts'
import { bytes } from '../lib/bytes-schema.ts'
import { decodeCbor } from '../lib/cbor.ts'
import { openEnvelope, sealEnvelope } from './signed-envelope.ts'
import { textProblem } from './text.ts'

/**
 * Keys of self-certifying DHT values, common to both engines: `/peergate/imm/<sha256 in lower-case hex>`, where the key
 * is the hash of the value, and `/peergate/own/<peer id>/<name>`, where the value is signed by its owner and has an
 * increasing sequence number.
 */
export type DhtKey =
  | { namespace: 'imm'; hash: string }
  | { namespace: 'own'; owner: string; name: string }
  /** Another namespace, `/<name>/…`, which an engine may support. */
  | { namespace: 'other'; name: string }

/** A value signed by its owner. */
export interface OwnRecord {
  owner: string
  name: string
  /** The highest sequence number under a key wins. */
  sequence: bigint
  /** Milliseconds since 1970, as claimed by the owner. */
  issuedAt: number
  value: Uint8Array
}

export const maxRecordValueBytes = 65_536
/** Maximum bytes of an encoded record: value, name, key, signature and overhead. */
export const maxRecordBytes = maxRecordValueBytes + 1_024
const maxNameBytes = 256
const maxKeyLength = 1_024

const kind = { domain: 'peergate-record', payloadType: '/peergate/own/1' }

const payloadSchema = z.strictObject({
  name: z.string().refine(isName),
  sequence: z
    .union([z.int().min(0), z.bigint().min(0n)])
    .transform(BigInt)
    .pipe(z.bigint().max(0xffff_ffff_ffff_ffffn)),
  issuedAt: z.int().min(0),
  value: bytes({ max: maxRecordValueBytes }),
})

/** @throws InvalidRecord when the text is not a key */
export function parseDhtKey(text: string): DhtKey {
  const [empty, namespace, ...rest] = text.split('/')
  if (empty !== '' || namespace === undefined || namespace === '' || rest.length === 0 || text.length > maxKeyLength) {
    throw invalidKey('looks like /peergate/imm/<sha256> or /peergate/own/<peer id>/<name>')
  }
  if (namespace !== 'peergate') return { namespace: 'other', name: namespace }
  const [kindOfKey, first = ''] = rest
  if (kindOfKey === 'imm' && rest.length === 2 && /^[0-9a-f]{64}$/.test(first)) return { namespace: 'imm', hash: first }
  const name = rest.slice(2).join('/')
  if (kindOfKey === 'own' && rest.length > 2 && isName(name)) return { namespace: 'own', owner: canonicalPeerId(first), name }
  throw invalidKey('of /peergate is imm/<64 lower-case hexadecimal digits> or own/<peer id>/<name of 1 to 256 bytes>')
}

export function immutableKey(value: Uint8Array): string {
  return `/peergate/imm/${createHash('sha256').update(value).digest('hex')}`
}

export function ownKey(owner: string, name: string): string {
  return `/peergate/own/${owner}/${name}`
}

/**
 * @param seed the 32 bytes of the owner's Ed25519 private key
 * @throws InvalidRecord when the name or the value is invalid
 */
export async function sealOwnRecord(record: Omit<OwnRecord, 'owner'>, seed: Uint8Array): Promise<Uint8Array> {
  const { name, value, sequence, issuedAt } = record
  if (!isName(name)) throw new InvalidRecord('A name has 1 to 256 bytes of UTF-8 without control characters.')
  checkSize(value)
  return await sealEnvelope(kind, encode({ name, sequence, issuedAt, value }), seed)
}

/** @throws InvalidRecord when the bytes are not a record of that owner and name */
export async function openOwnRecord({ owner, name }: { owner: string; name: string }, bytes: Uint8Array): Promise<OwnRecord> {
  try {
    const { signer, payload } = await openEnvelope(kind, bytes)
    const content = payloadSchema.parse(decodeCbor(payload, { rejectDuplicateMapKeys: true }))
    if (Buffer.compare(encode(content), payload) !== 0) throw new Error('it is not in canonical encoding')
    if (signer !== owner || content.name !== name) throw new Error('it belongs to another key')
    return { owner, ...content }
  } catch (cause) {
    throw new InvalidRecord('The owner of the key has not signed this record.', { cause })
  }
}

/** @throws InvalidRecord when the record does not prove its key, or its namespace is not /peergate */
export async function validateRecord(key: DhtKey, record: Uint8Array): Promise<void> {
  switch (key.namespace) {
    case 'imm':
      checkSize(record)
      if (createHash('sha256').update(record).digest('hex') !== key.hash) throw new InvalidRecord('The key is not the hash of the value.')
      break
    case 'own':
      if (record.length > maxRecordBytes) throw new InvalidRecord(`A record has at most ${maxRecordBytes} bytes.`)
      await openOwnRecord(key, record)
      break
    case 'other':
      throw new InvalidRecord(`The namespace /${key.name} is unknown.`)
    default:
      key satisfies never
  }
}

/**
 * Whether `next` replaces `there`, both valid under the key: the higher sequence number wins, and with equal ones the
 * greater bytes, so that all nodes agree.
 */
export async function replaces(key: DhtKey, next: Uint8Array, there: Uint8Array): Promise<boolean> {
  if (key.namespace !== 'own') return false
  const [newer, older] = await Promise.all([openOwnRecord(key, next), openOwnRecord(key, there)])
  if (newer.sequence !== older.sequence) return newer.sequence > older.sequence
  return Buffer.compare(next, there) > 0
}

function checkSize(value: Uint8Array): void {
  if (value.length > maxRecordValueBytes) throw new InvalidRecord(`A value has at most ${maxRecordValueBytes} bytes.`)
}

function isName(name: string): boolean {
  return name.length > 0 && Buffer.byteLength(name) <= maxNameBytes && textProblem(name) === undefined
}

/** Requires the base58 form of a peer id, the only one valid in a key. */
function canonicalPeerId(text: string): string {
  try {
    if (peerIdFromString(text).toString() === text) return text
  } catch {
    // Reported below.
  }
  throw invalidKey('names its owner by a peer id in base58 (12D3KooW…)')
}

function invalidKey(problem: string): InvalidRecord {
  return new InvalidRecord(`A key ${problem}.`, { errors: [{ path: '/key', message: problem }] })
}
