import { clientKey } from '../access/client-key.ts'
import { candidateView } from '../model/message.ts'
import { encodePayload } from '../model/payload.ts'
import { messageId } from '../model/signed-message.ts'
import type { Server } from '../services/service-registry.ts'
import type { Validator } from '../validation/validator-registry.ts'
import type { Outlet } from './outlet.ts'

/** What others ask of a client: requests to its services and messages to judge. The client answers with frames. */
export function createAsked(components: { client: { grantId: string; address: string }; outlet: Outlet }): Server & Validator {
  const { client, outlet } = components
  return {
    get client() {
      return clientKey(client)
    },
    get writable() {
      return outlet.writable
    },
    request({ requestId, from, service, data, deadline }) {
      outlet.send({ type: 'request', requestId, from, service, ...encodePayload(data), deadline: new Date(deadline).toISOString() })
    },
    cancelled(requestId) {
      outlet.send({ type: 'cancelled', requestId })
    },
    validate({ validationId, message, deadline }) {
      const candidate = candidateView({ ...message, id: messageId(message.from, message.sequence) })
      outlet.send({ type: 'validation', validationId, message: candidate, deadline: new Date(deadline).toISOString() })
    },
  }
}
