import { expect, test } from 'vitest'
import { ValidationNotFound, ValidatorLimit } from '../../src/errors.ts'
import { createMessageSigner } from '../../src/model/signed-message.ts'
import { createValidatorRegistry, type Question, type Validator } from '../../src/validation/validator-registry.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

async function someMessage(topic = 'orders') {
  const { peerId, seed } = await createMemoryIdentity()
  return createMessageSigner(peerId, seed).sign(1n, topic, Buffer.from('x'))
}

function validator(client = 'tok_1'): Validator & { asked: Question[] } {
  const asked: Question[] = []
  return { client, writable: true, asked, validate: (question) => asked.push(question) }
}

const registration = { topic: 'orders', deadlineMs: 10, default: 'ignore' as const }

test('one that is gone takes no seat, however late its frames are worked on', async () => {
  const registry = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const client = validator()
  let begun = 0
  const first = registry.register(client, registration, () => begun++)
  registry.leave(client)
  await first
  await registry.register(client, { ...registration, topic: 'news' }, () => begun++)
  expect([begun, registry.registrations.size, registry.topicsOf(client)]).toEqual([0, 0, []])
  expect(await registry.ask(await someMessage('news'))).toEqual({ verdict: 'accept', given: false })
})

test('is asked once the other gateways know and it has been told, and not before', async () => {
  const known = Promise.withResolvers<void>()
  const registry = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  registry.watch(() => known.promise)
  const client = validator()
  let begun = false
  const registering = registry.register(client, registration, () => {
    begun = true
  })
  expect(registry.registrations.has('orders')).toBe(true)
  expect(await registry.ask(await someMessage())).toEqual({ verdict: 'accept', given: false })
  expect([begun, client.asked]).toEqual([false, []])
  known.resolve()
  await registering
  const judgement = registry.ask(await someMessage())
  registry.answer(client, client.asked[0]?.validationId ?? '', 'reject')
  expect([begun, await judgement, registry.open]).toEqual([true, { verdict: 'reject', given: true }, 0])
})

test('only who was asked gives the verdict', async () => {
  const registry = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const [client, other] = [validator(), validator()]
  await registry.register(client, { ...registration, deadlineMs: 2_000 }, () => undefined)
  await registry.register(other, { ...registration, topic: 'news' }, () => undefined)
  const judgement = registry.ask(await someMessage())
  const validationId = client.asked[0]?.validationId ?? ''
  expect(() => registry.answer(other, validationId, 'accept')).toThrow(ValidationNotFound)
  registry.answer(client, validationId, 'reject')
  expect(await judgement).toEqual({ verdict: 'reject', given: true })
})

test('is asked nothing while it takes nothing, and what is still open once it does', async () => {
  const registry = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const client = { ...validator(), writable: false }
  await registry.register(client, { ...registration, deadlineMs: 2_000 }, () => undefined)
  const judgement = registry.ask(await someMessage())
  registry.resume(client)
  expect([client.asked, registry.open]).toEqual([[], 1])
  client.writable = true
  for (let times = 0; times < 2; times++) registry.resume(client)
  expect(client.asked).toHaveLength(1)
  registry.answer(client, client.asked[0]?.validationId ?? '', 'accept')
  expect(await judgement).toEqual({ verdict: 'accept', given: true })
})

test('what holds for others is the longest deadline and the strictest default of a topic', async () => {
  const registry = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const clients = [validator(), validator()]
  await registry.register(clients[0] ?? validator(), { ...registration, deadlineMs: 700, default: 'accept' }, () => undefined)
  await registry.register(clients[1] ?? validator(), { ...registration, deadlineMs: 300, default: 'reject' }, () => undefined)
  expect([...registry.registrations.values()]).toEqual([{ topic: 'orders', deadlineMs: 700, default: 'reject' }])
})

test('maxValidators: a client has its share of the seats, and gives back those that it leaves', async () => {
  const registry = createValidatorRegistry({ limits: { maxValidators: 8, clientSharePercent: 25 } })
  const [greedy, again, other] = [validator(), validator(), validator('tok_2')]
  const register = (who: Validator, topic: string) => registry.register(who, { ...registration, topic }, () => undefined)
  await register(other, 'theirs')
  await register(greedy, 'a')
  await register(again, 'b')
  await register(again, 'b')
  await expect(register(again, 'c')).rejects.toThrow(ValidatorLimit)
  await register(other, 'c')
  registry.unregister(again, 'b')
  await register(greedy, 'c')
  registry.leave(greedy)
  await register(again, 'a')
  await register(again, 'b')
  await expect(register(again, 'd')).rejects.toThrow(ValidatorLimit)
})

test('counts the verdicts of a topic while it has a validator', async () => {
  const registry = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 50 } }, { now: () => 5 })
  const clients = [validator(), validator()]
  for (const client of clients) await registry.register(client, registration, () => undefined)
  for (const verdict of ['accept', 'ignore', 'reject'] as const) {
    const judgement = registry.ask(await someMessage())
    const [one] = clients
    if (one !== undefined) registry.answer(one, one.asked.at(-1)?.validationId ?? '', verdict)
    if (verdict === 'accept') expect(registry.judged).toMatchObject([{ accepted: 1, open: 1, late: 0 }])
    await judgement
  }
  const counted = { accepted: 1, ignored: 1, rejected: 1, late: 3, open: 0 }
  expect(registry.judged).toEqual([{ ...registration, validators: 2, ...counted, since: 5 }])
  for (const client of clients) registry.leave(client)
  expect(registry.judged).toEqual([])
  await registry.register(validator(), registration, () => undefined)
  expect(registry.judged).toMatchObject([{ validators: 1, accepted: 0, late: 0 }])
})
