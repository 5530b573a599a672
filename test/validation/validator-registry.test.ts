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
  const desk = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const client = validator()
  let begun = 0
  const first = desk.register(client, registration, () => begun++)
  desk.leave(client)
  await first
  await desk.register(client, { ...registration, topic: 'news' }, () => begun++)
  expect([begun, desk.registrations.size, desk.topicsOf(client)]).toEqual([0, 0, []])
  expect(await desk.ask(await someMessage('news'))).toEqual({ verdict: 'accept', given: false })
})

test('is asked once the other gateways know and it has been told, and not before', async () => {
  const known = Promise.withResolvers<void>()
  const desk = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  desk.watch(() => known.promise)
  const client = validator()
  let begun = false
  const registering = desk.register(client, registration, () => {
    begun = true
  })
  expect(desk.registrations.has('orders')).toBe(true)
  expect(await desk.ask(await someMessage())).toEqual({ verdict: 'accept', given: false })
  expect([begun, client.asked]).toEqual([false, []])
  known.resolve()
  await registering
  const judgement = desk.ask(await someMessage())
  desk.answer(client, client.asked[0]?.validationId ?? '', 'reject')
  expect([begun, await judgement, desk.open]).toEqual([true, { verdict: 'reject', given: true }, 0])
})

test('only who was asked gives the verdict', async () => {
  const desk = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const [client, other] = [validator(), validator()]
  await desk.register(client, { ...registration, deadlineMs: 2_000 }, () => undefined)
  await desk.register(other, { ...registration, topic: 'news' }, () => undefined)
  const judgement = desk.ask(await someMessage())
  const validationId = client.asked[0]?.validationId ?? ''
  expect(() => desk.answer(other, validationId, 'accept')).toThrow(ValidationNotFound)
  desk.answer(client, validationId, 'reject')
  expect(await judgement).toEqual({ verdict: 'reject', given: true })
})

test('is asked nothing while it takes nothing, and what is still open once it does', async () => {
  const desk = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const client = { ...validator(), writable: false }
  await desk.register(client, { ...registration, deadlineMs: 2_000 }, () => undefined)
  const judgement = desk.ask(await someMessage())
  desk.resume(client)
  expect([client.asked, desk.open]).toEqual([[], 1])
  client.writable = true
  for (let times = 0; times < 2; times++) desk.resume(client)
  expect(client.asked).toHaveLength(1)
  desk.answer(client, client.asked[0]?.validationId ?? '', 'accept')
  expect(await judgement).toEqual({ verdict: 'accept', given: true })
})

test('what holds for others is the longest deadline and the strictest default of a topic', async () => {
  const desk = createValidatorRegistry({ limits: { maxValidators: 10, clientSharePercent: 25 } })
  const clients = [validator(), validator()]
  await desk.register(clients[0] ?? validator(), { ...registration, deadlineMs: 700, default: 'accept' }, () => undefined)
  await desk.register(clients[1] ?? validator(), { ...registration, deadlineMs: 300, default: 'reject' }, () => undefined)
  expect([...desk.registrations.values()]).toEqual([{ topic: 'orders', deadlineMs: 700, default: 'reject' }])
})

test('maxValidators: a client has its share of the seats, and gives back those that it leaves', async () => {
  const desk = createValidatorRegistry({ limits: { maxValidators: 8, clientSharePercent: 25 } })
  const [greedy, again, other] = [validator(), validator(), validator('tok_2')]
  const register = (who: Validator, topic: string) => desk.register(who, { ...registration, topic }, () => undefined)
  await register(other, 'theirs')
  await register(greedy, 'a')
  await register(again, 'b')
  await register(again, 'b')
  await expect(register(again, 'c')).rejects.toThrow(ValidatorLimit)
  await register(other, 'c')
  desk.unregister(again, 'b')
  await register(greedy, 'c')
  desk.leave(greedy)
  await register(again, 'a')
  await register(again, 'b')
  await expect(register(again, 'd')).rejects.toThrow(ValidatorLimit)
})
