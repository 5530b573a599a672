import { z } from 'zod'
import { Forbidden } from '../../errors.ts'
import { type Grant, requireTopics } from '../../model/grant.ts'
import { nameSchema } from '../../model/text.ts'
import { newTokenSchema, type TokenInput, type TokenView, tokenInputSchema, tokenSchema } from '../../model/token.ts'
import { topicFilter } from '../../model/topic.ts'
import { newTokenExample, tokenExample } from '../examples.ts'
import { type App, empty, json, noQuery } from '../operation.ts'

export interface TokenComponents {
  tokens: {
    create(input: TokenInput): Promise<{ token: TokenView; secret: string }>
    list(): Promise<TokenView[]>
    revoke(id: string): Promise<void>
  }
}

const idParams = z.strictObject({ id: nameSchema(64) })
const listSchema = z.object({ items: z.array(tokenSchema) })

export function tokenRoutes(app: App, components: TokenComponents): void {
  const { tokens } = components

  app.route({
    method: 'POST',
    url: '/v1/tokens',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        cost: 20,
        operationId: 'createToken',
        summary: 'Make an access token',
        description:
          'Its secret is shown this once, and kept as a hash only. From the first token on, every request needs one, so the first must allow ' +
          '`admin` and not expire, unless the operator has a token of the configuration. A token can give no more than it has itself: no other actions and topics, and ' +
          'nothing that lasts longer.',
        tag: 'Access',
        problems: ['admin_token_needed', 'store_unavailable'],
      },
    },
    schema: {
      querystring: noQuery,
      body: tokenInputSchema.meta({ example: { name: 'till 3', actions: ['publish'], topics: ['orders.*'] } }),
      response: { 201: json('The token, with its secret.', newTokenSchema, newTokenExample, { Location: 'The token.' }) },
    },
    handler: async ({ body, grant }, reply) => {
      checkNoMore(grant, body)
      const { token, secret } = await tokens.create(body)
      return reply
        .code(201)
        .header('location', `/v1/tokens/${token.id}`)
        .send({ ...token, secret })
    },
  })

  app.route({
    method: 'GET',
    url: '/v1/tokens',
    config: {
      operation: {
        action: 'admin',
        operationId: 'listTokens',
        summary: 'The access tokens',
        tag: 'Access',
        problems: ['store_unavailable'],
      },
    },
    schema: { querystring: noQuery, response: { 200: json('The tokens, oldest first.', listSchema, { items: [tokenExample] }) } },
    handler: async () => ({ items: await tokens.list() }),
  })

  app.route({
    method: 'DELETE',
    url: '/v1/tokens/:id',
    config: {
      operation: {
        action: 'admin',
        audited: true,
        operationId: 'revokeToken',
        summary: 'Revoke an access token',
        description:
          'It is refused from now on, at every gateway of the database, and its streams are closed. The last one that allows `admin` and does not ' +
          'expire stays, unless the operator has a token of the configuration.',
        tag: 'Access',
        problems: ['token_not_found', 'admin_token_needed', 'store_unavailable'],
      },
    },
    schema: { params: idParams, querystring: noQuery, response: { 204: empty('It is revoked.') } },
    handler: async ({ params }, reply) => {
      await tokens.revoke(params.id)
      return reply.code(204).send()
    },
  })
}

/** @throws Forbidden */
function checkNoMore(grant: Grant, { actions, topics, expiresAt }: TokenInput): void {
  requireTopics(grant, topicFilter(topics))
  const more = actions.filter((action) => !grant.actions.has(action))
  if (more.length > 0) throw new Forbidden(`This token does not allow ${more.join(', ')}, and can give it to none.`)
  // A session stands for its token, which may last longer.
  const until = grant.session === undefined ? grant.expiresAt : grant.tokenExpiresAt
  if (until !== undefined && (expiresAt === undefined || Date.parse(expiresAt) > until))
    throw new Forbidden(`This token ends at ${new Date(until).toISOString()}: "expiresAt" of what it gives must not be later.`)
}
