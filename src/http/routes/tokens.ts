import { z } from 'zod'
import { Forbidden } from '../../errors.ts'
import type { Grant } from '../../model/grant.ts'
import { idempotencyKeySchema, idempotencyScope } from '../../model/idempotency-key.ts'
import { nameSchema } from '../../model/text.ts'
import {
  newTokenSchema,
  type TokenInput,
  type TokenPlace,
  type TokenView,
  tokenChangesSchema,
  tokenInputSchema,
  tokenPlaceSchema,
  tokenSchema,
} from '../../model/token.ts'
import { keyOf } from '../count-requests.ts'
import { newTokenExample, tokenExample } from '../examples.ts'
import { limitQuery } from '../inputs.ts'
import { type App, declareRoute, empty, json, noQuery } from '../operation.ts'
import { patternsOfBody } from '../topic-rights.ts'

export interface TokenComponents {
  tokens: {
    create(input: TokenInput): Promise<{ token: TokenView; secret: string }>
    createOnce(input: TokenInput, idempotency: { scope: string; key: string }): Promise<{ token: TokenView; secret: string | null }>
    page(query: { after?: TokenPlace | undefined; limit: number }): Promise<{ items: TokenView[]; next: string | null }>
    get(id: string): Promise<TokenView>
    rename(id: string, name: string): Promise<TokenView>
    revoke(id: string): Promise<void>
  }
}

const idParams = z.strictObject({ id: nameSchema(64) })
const pageSchema = z
  .object({
    items: z.array(tokenSchema),
    next: z.string().nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'TokenPage' })

export const tokenContract = {
  createToken: declareRoute({
    method: 'POST',
    url: '/v1/tokens',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        cost: 20,
        topics: patternsOfBody,
        operationId: 'createToken',
        summary: 'Create an access token',
        description:
          'The secret is returned only once; the gateway keeps a hash. Once any token exists, every request needs one. The first token must ' +
          'therefore allow `admin` and never expire, unless an admin token is configured. A token cannot grant more than it has: no further ' +
          'actions or topics, and no later expiry. A repetition with the same idempotency key gets the token as it was created, without the ' +
          'secret, which the gateway does not have: a client that never received it revokes the token, and creates another with a new key.',
        tag: 'Access',
        problems: [
          'admin_token_needed',
          'token_limit',
          'expiry_passed',
          'idempotency_key_reused',
          'idempotency_key_limit',
          'store_unavailable',
        ],
      },
    },
    schema: {
      headers: z.looseObject({ 'idempotency-key': idempotencyKeySchema.optional() }),
      querystring: noQuery,
      body: tokenInputSchema.meta({ example: { name: 'till 3', actions: ['publish'], topics: ['orders.>'] } }),
      response: {
        201: json('The token, with its secret.', newTokenSchema, newTokenExample, {
          Location: 'URL of the token.',
          'Idempotent-Replayed':
            '`true` if an earlier request with the same key created the token. Nothing was created again, and `secret` is null.',
        }),
      },
    },
  }),
  listTokens: declareRoute({
    method: 'GET',
    url: '/v1/tokens',
    config: {
      operation: {
        action: 'admin',
        operationId: 'listTokens',
        work: 'list',
        summary: 'List access tokens',
        tag: 'Access',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({
        after: tokenPlaceSchema.optional().describe('Only tokens after this place: the `next` of the previous page.'),
        limit: limitQuery,
      }),
      response: { 200: json('A page of tokens, oldest first.', pageSchema, { items: [tokenExample], next: null }) },
    },
  }),
  getToken: declareRoute({
    method: 'GET',
    url: '/v1/tokens/:id',
    config: {
      operation: {
        action: 'admin',
        operationId: 'getToken',
        summary: 'Get an access token',
        tag: 'Access',
        problems: ['token_not_found', 'store_unavailable'],
      },
    },
    schema: { params: idParams, querystring: noQuery, response: { 200: json('The token.', tokenSchema, tokenExample) } },
  }),
  renameToken: declareRoute({
    method: 'PATCH',
    url: '/v1/tokens/:id',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        operationId: 'renameToken',
        summary: 'Rename an access token',
        description: 'The rights and the expiry of a token never change. Create another token and revoke this one instead.',
        tag: 'Access',
        problems: ['token_not_found', 'store_unavailable'],
      },
    },
    schema: {
      params: idParams,
      querystring: noQuery,
      body: tokenChangesSchema.meta({ example: { name: 'till 4' } }),
      response: { 200: json('The token.', tokenSchema, tokenExample) },
    },
  }),
  revokeToken: declareRoute({
    method: 'DELETE',
    url: '/v1/tokens/:id',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        operationId: 'revokeToken',
        summary: 'Revoke an access token',
        description:
          'The token is refused from now on, at every gateway of the database, and its streams are closed. The last token that allows `admin` ' +
          'and never expires cannot be revoked, unless an admin token is configured.',
        tag: 'Access',
        problems: ['token_not_found', 'admin_token_needed', 'store_unavailable'],
      },
    },
    schema: { params: idParams, querystring: noQuery, response: { 204: empty('The token is revoked.') } },
  }),
}

export function tokenRoutes(app: App, components: TokenComponents): void {
  const { tokens } = components

  app.route({
    ...tokenContract.createToken,
    handler: async ({ body, headers, grant, client }, reply) => {
      checkNoMore(grant, body)
      const key = headers['idempotency-key']
      const scope = idempotencyScope(keyOf({ grant, client }), 'token')
      const { token, secret } = await (key === undefined ? tokens.create(body) : tokens.createOnce(body, { scope, key }))
      reply.code(201).header('location', `/v1/tokens/${token.id}`)
      if (secret === null) reply.header('idempotent-replayed', 'true')
      return { ...token, secret }
    },
  })

  app.route({
    ...tokenContract.listTokens,
    handler: ({ query }) => tokens.page(query),
  })

  app.route({
    ...tokenContract.getToken,
    handler: ({ params }) => tokens.get(params.id),
  })

  app.route({
    ...tokenContract.renameToken,
    handler: ({ params, body }) => tokens.rename(params.id, body.name),
  })

  app.route({
    ...tokenContract.revokeToken,
    handler: async ({ params }, reply) => {
      await tokens.revoke(params.id)
      return reply.code(204).send()
    },
  })
}

/** The topics were checked before. @throws Forbidden */
function checkNoMore(grant: Grant, { actions, expiresAt }: TokenInput): void {
  const more = actions.filter((action) => !grant.actions.has(action))
  if (more.length > 0) throw new Forbidden(`This token does not allow ${more.join(', ')}, and cannot grant it.`)
  // A session represents its token, which may last longer.
  const until = grant.session === undefined ? grant.expiresAt : grant.tokenExpiresAt
  if (until !== undefined && (expiresAt === undefined || Date.parse(expiresAt) > until))
    throw new Forbidden(`This token expires at ${new Date(until).toISOString()}: "expiresAt" must not be later.`)
}
