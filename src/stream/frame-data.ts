import { clientKey } from '../access/client-key.ts'
import { InvalidRequest } from '../errors.ts'
import { decodePayload } from '../model/payload.ts'
import type { Client } from './client.ts'
import type { ClientFrame } from './client-frames.ts'

/** @throws InvalidData, or InvalidRequest when a byte string comes with an encoding */
export function decodeData({ data, encoding }: Pick<FrameOf<'publish'>, 'data' | 'encoding'>): Uint8Array {
  if (!(data instanceof Uint8Array)) return decodePayload(data, encoding)
  if (encoding === undefined) return data
  throw new InvalidRequest('A byte string has no encoding.', { errors: [{ path: '/encoding', message: 'not allowed with a byte string' }] })
}

/** The `clientKey` of a connection. */
export function keyOf({ grant, address }: Pick<Client, 'grant' | 'address'>): string {
  return clientKey({ grantId: grant.id, address })
}

export type FrameOf<Type extends ClientFrame['type']> = Extract<ClientFrame, { type: Type }>
