import { clientKey } from '../access/client-key.ts'
import { InvalidRequest } from '../errors.ts'
import { decodePayload } from '../model/payload.ts'
import type { Client } from './client.ts'
import type { ClientFrame } from './client-frames.ts'

/** @throws InvalidData, or InvalidRequest when bytes are said to be encoded */
export function decodeData({ data, encoding }: Pick<FrameOf<'publish'>, 'data' | 'encoding'>): Uint8Array {
  if (typeof data === 'string') return decodePayload(data, encoding)
  if (encoding === undefined) return data
  throw new InvalidRequest('A byte string has no encoding.', { errors: [{ path: 'encoding', message: 'is not for byte strings' }] })
}

/** Whose the frames of a connection are (`clientKey`). */
export function keyOf({ grant, address }: Pick<Client, 'grant' | 'address'>): string {
  return clientKey({ grantId: grant.id, address })
}

export type FrameOf<Type extends ClientFrame['type']> = Extract<ClientFrame, { type: Type }>
