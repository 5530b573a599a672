import type { Access } from '../access/access.ts'
import { anyoneId } from '../access/client-key.ts'
import { isTokenId, type Tokens } from '../access/tokens.ts'
import { TokenNotFound, Unauthorized } from '../errors.ts'
import type { WebhookRecord } from '../store/webhook-store.ts'

/** A webhook reads with the rights of the token that made it, and no longer than that token has them. */
export interface Rights {
  /**
   * A function that says why the rights of the owner have ended, or nothing while they last. It looks the token up once:
   * whoever holds it is told when the token is revoked later (`endings`).
   */
  endOf(webhook: Pick<WebhookRecord, 'owner' | 'rightsUntil'>): () => Promise<string | undefined>
}

export function createRights(components: { access: Pick<Access, 'admit'>; tokens: Pick<Tokens, 'get'>; now: () => number }): Rights {
  const { access, tokens, now } = components

  return {
    endOf({ owner, rightsUntil }) {
      let isKnown = !isTokenId(owner)
      return async () => {
        if (rightsUntil !== undefined && rightsUntil <= now()) return 'The token that made this webhook has expired.'
        if (!isKnown) isKnown = await exists(() => tokens.get(owner))
        if (!isKnown) return 'The token that made this webhook was revoked.'
        if (owner === anyoneId && !(await exists(() => access.admit(undefined))))
          return 'This webhook was made without a token, and a token is needed now.'
        return undefined
      }
    },
  }
}

async function exists(look: () => Promise<unknown>): Promise<boolean> {
  try {
    await look()
    return true
  } catch (error) {
    if (error instanceof TokenNotFound || error instanceof Unauthorized) return false
    throw error
  }
}
