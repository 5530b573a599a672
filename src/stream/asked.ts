import { clientKey } from '../access/client-key.ts'
import { candidateView } from '../model/message.ts'
import { type Encoding, encodePayload } from '../model/payload.ts'
import { messageId } from '../model/signed-message.ts'
import type { Server } from '../services/service-registry.ts'
import type { Validator } from '../validation/validator-registry.ts'
import type { Outlet } from './outlet.ts'

/** The connection of a client, as those see it who ask it. */
export interface Asked extends Server, Validator {
  /** Sets the encoding of the data of requests to a service, or of the messages of a topic that it judges. */
  want(work: Work, encoding: Encoding | undefined): void
}

type Work = `service ${string}` | `topic ${string}`

/** What others ask of a client: requests to its services and messages to judge. The client answers with frames. */
export function createAsked(components: { client: { grantId: string; address: string }; outlet: Outlet }): Asked {
  const { client, outlet } = components
  // Most connections neither serve nor judge.
  let encodings: Map<Work, Encoding> | undefined
  return {
    get client() {
      return clientKey(client)
    },
    get writable() {
      return outlet.writable
    },
    want(work, encoding) {
      if (encoding === undefined) encodings?.delete(work)
      else {
        encodings ??= new Map()
        encodings.set(work, encoding)
      }
    },
    request({ requestId, from, service, data, deadline }) {
      const payload = encodePayload(data, encodings?.get(`service ${service}`))
      outlet.send({ type: 'request', requestId, from, service, ...payload, deadline: new Date(deadline).toISOString() })
    },
    cancelled(requestId) {
      outlet.send({ type: 'cancelled', requestId })
    },
    validate({ validationId, message, deadline }) {
      const candidate = candidateView(
        { ...message, id: messageId(message.from, message.sequence) },
        encodings?.get(`topic ${message.topic}`),
      )
      outlet.send({ type: 'validation', validationId, message: candidate, deadline: new Date(deadline).toISOString() })
    },
  }
}
