import { decode as decodeCbor } from 'cborg'
import { bytesOf, type Message } from '../clients/typescript/src/index.ts'

export const forms = ['auto', 'text', 'JSON', 'CBOR', 'hex'] as const
export type Form = (typeof forms)[number]

/** Characters of a message that a line shows. */
export const maxShown = 2_000

/** The data of a message as text. With `auto` it is what fits first: JSON, text, CBOR, or else hex. */
export function shown(message: Message, form: Form): string {
  const bytes = bytesOf(message)
  switch (form) {
    case 'text':
      return new TextDecoder().decode(bytes)
    case 'JSON':
      return attempt(() => json(bytes)) ?? 'This is not JSON.'
    case 'CBOR':
      return attempt(() => cbor(bytes)) ?? 'This is not CBOR.'
    case 'hex':
      return hex(bytes)
    case 'auto':
      return attempt(() => json(bytes)) ?? attempt(() => text(bytes)) ?? attempt(() => cbor(bytes)) ?? hex(bytes)
    default:
      return form satisfies never
  }
}

function attempt(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

function json(bytes: Uint8Array): string {
  return JSON.stringify(JSON.parse(text(bytes)), null, 2)
}

function cbor(bytes: Uint8Array): string {
  return JSON.stringify(decodeCbor(bytes), (_, value) => (typeof value === 'bigint' ? String(value) : value), 2)
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
