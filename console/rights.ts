import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Schemas } from './gateway.ts'

export const actions = [
  'read',
  'publish',
  'direct',
  'request',
  'serve',
  'validate',
  'dht',
  'peers',
  'consume',
  'webhooks',
  'admin',
] as const satisfies ReadonlyArray<Schemas['TokenInput']['actions'][number]>
export type Action = (typeof actions)[number]

/** Actions that the client of the page may perform. */
export const Rights = createContext<readonly string[]>([])

/** Tells what the client may do, so that a page has no form that the gateway would refuse. */
export function useMay(): (action: Action) => boolean {
  const rights = useContext(Rights)
  return (action) => rights.includes(action)
}
