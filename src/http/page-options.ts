import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Rates } from '../access/rates.ts'
import type { PageOptions } from '../log/history.ts'
import { clientSignal } from './client-signal.ts'
import { keyOf } from './count-requests.ts'

/** For a request that reads the log: its client pays for the rows that it examines. */
export function pageOptions(
  { grant, client }: Pick<FastifyRequest, 'grant' | 'client'>,
  reply: FastifyReply,
  rates: Pick<Rates, 'take'>,
): PageOptions {
  return {
    signal: clientSignal(reply),
    client: keyOf({ grant, client }),
    pay: (units) => void rates.take({ grantId: grant.id, address: client.address }, units),
  }
}
