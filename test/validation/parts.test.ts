import { expect, test } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createMessageSigner, messageId } from '../../src/model/signed-message.ts'
import { everything } from '../../src/model/topic.ts'
import type { Judgement } from '../../src/model/validator.ts'
import type { GatewayRecord } from '../../src/store/gateway-store.ts'
import { createValidators } from '../../src/validation/validators.ts'
import { gatewayRecord } from '../fixtures/gateway-record.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const registration = { topic: 'orders', deadlineMs: 1_000, default: 'ignore' as const }
const author = await createMemoryIdentity()
const signer = createMessageSigner(author.peerId, author.seed)
const message = signer.sign(1n, 'orders', Buffer.from('x'))

/** Validators of a gateway whose clients judge one topic: what these were asked, and answer in turn. */
function parts(init: { us?: string; siblings?: GatewayRecord[]; stored?: string[]; answers?: Judgement[] } = {}) {
  const { us = 'us', siblings = [], stored = [], answers = [] } = init
  const asked: Uint8Array[] = []
  const validators = createValidators(
    { limits: defaultLimits },
    {
      engine: {
        peerId: us,
        request: () => Promise.reject(new Error('no other gateway judges')),
        handle: async () => undefined,
        unhandle: async () => undefined,
      },
      registry: {
        registrations: new Map([['orders', registration]]),
        judged: ['news', 'orders', 'orders.new'].map((topic) => ({
          ...{ topic, validators: 1, deadlineMs: 1_000, default: 'ignore' as const },
          ...{ open: 0, accepted: 1, ignored: 2, rejected: 3, late: 4, since: 1_000 },
        })),
        watch: () => () => undefined,
        async ask({ signature }) {
          asked.push(signature)
          return answers[asked.length - 1] ?? { verdict: 'reject', given: true }
        },
      },
      gateways: { others: async () => siblings, link: async () => undefined, refresh: async () => undefined },
      messages: { unknown: async (ids) => ids.filter((id) => !stored.includes(id)) },
      metrics: { judged: () => undefined },
      logger: silentLog,
    },
  )
  return { validators, asked }
}

test.each<[string, Parameters<typeof parts>[0]]>([
  ['this gateway has published', { us: author.peerId }],
  ['another gateway of the database has published', { siblings: [gatewayRecord(author.peerId)] }],
  ['is in the log', { stored: [messageId(message.from, message.sequence)] }],
])('what %s is judged by nobody', async (_, init) => {
  const { validators, asked } = parts(init)
  expect(await validators.judge(message)).toEqual({ verdict: 'accept', given: false })
  expect(asked).toEqual([])
})

test('what comes twice is asked about once; under another signature it is another message', async () => {
  const { validators, asked } = parts({ answers: [{ verdict: 'accept', given: true }] })
  for (let times = 0; times < 2; times++) expect(await validators.judge(message)).toEqual({ verdict: 'accept', given: true })
  const other = { ...message, signature: new Uint8Array(64) }
  expect(await validators.judge(other)).toEqual({ verdict: 'reject', given: true })
  expect(asked).toEqual([message.signature, other.signature])
})

test('what nobody gave a verdict on is asked about again', async () => {
  const { validators } = parts({ answers: [{ verdict: 'ignore', given: false }] })
  expect(await validators.judge(message)).toEqual({ verdict: 'ignore', given: false })
  expect(await validators.judge(message)).toEqual({ verdict: 'reject', given: true })
})

test('judged topics are listed by name, page by page, and only those that the client may see', () => {
  const { validators } = parts()
  const first = validators.list({ limit: 2, visible: everything })
  expect([first.items.map(({ topic }) => topic), first.next]).toEqual([['news', 'orders'], 'orders'])
  expect(validators.list({ limit: 2, visible: { exact: [], patterns: ['orders.>'] } })).toEqual({
    items: [
      {
        ...{ topic: 'orders.new', validators: 1, deadlineMs: 1_000, default: 'ignore' },
        ...{ open: 0, accepted: 1, ignored: 2, rejected: 3, late: 4, since: '1970-01-01T00:00:01.000Z', gateway: 'us' },
      },
    ],
    next: null,
  })
})
