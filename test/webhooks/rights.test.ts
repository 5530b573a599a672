import { expect, test } from 'vitest'
import { anyoneId } from '../../src/access/client-key.ts'
import { StoreUnavailable, TokenNotFound, Unauthorized } from '../../src/errors.ts'
import { fullGrant } from '../../src/model/grant.ts'
import { createRights } from '../../src/webhooks/rights.ts'

/** Rights where the tokens can be looked up that `look` finds, and those without a token may come in while it is open. */
function rights(look: (id: string) => Promise<void> = async () => undefined) {
  const state = { isOpen: true, now: 1_000, looks: 0 }
  const made = createRights({
    access: {
      async admit() {
        if (state.isOpen) return fullGrant(anyoneId)
        throw new Unauthorized('A token is required.')
      },
    },
    tokens: {
      async get(id) {
        state.looks++
        await look(id)
        return {} as never
      },
    },
    now: () => state.now,
  })
  return { state, endOf: (owner: string, rightsUntil?: number) => made.endOf({ owner, rightsUntil }) }
}

test('last as long as the token does, which is looked up once', async () => {
  const { state, endOf } = rights()
  const ended = endOf('tok_a', 2_000)
  expect([await ended(), await ended(), state.looks]).toEqual([undefined, undefined, 1])
  state.now = 2_000
  expect(await ended()).toBe('The token that made this webhook has expired.')
})

test('end with a token that is no longer there, and not because nobody can say whether it is', async () => {
  const gone = rights(() => Promise.reject(new TokenNotFound('no token has this id')))
  expect(await gone.endOf('tok_a')()).toBe('The token that made this webhook was revoked.')
  const unknown = rights(() => Promise.reject(new StoreUnavailable('the database is away')))
  await expect(unknown.endOf('tok_a')()).rejects.toThrow(StoreUnavailable)
})

test('of who came without a token end once tokens are needed', async () => {
  const { state, endOf } = rights()
  const ended = endOf(anyoneId)
  expect(await ended()).toBeUndefined()
  state.isOpen = false
  expect(await ended()).toMatch(/a token is needed now/)
})

test('of others are no token to look up', async () => {
  const { state, endOf } = rights(() => Promise.reject(new TokenNotFound('no token has this id')))
  state.isOpen = false
  expect([await endOf('sub:issuer alice')(), await endOf('operator')(), state.looks]).toEqual([undefined, undefined, 0])
})
