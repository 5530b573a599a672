import { randomUUID } from 'node:crypto'
import { createClientShares } from '../access/client-shares.ts'
import { ValidationNotFound, ValidatorLimit } from '../errors.ts'
import { createCounter } from '../lib/counter.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Limits } from '../limits.ts'
import type { SignedMessage } from '../model/signed-message.ts'
import { type Judgement, joined, type Registration, strictest, type ValidatorView } from '../model/validator.ts'
import type { Verdict } from '../model/verdict.ts'

/**
 * The clients of this gateway that judge messages. Every validator of a topic is asked about each message of the topic.
 * If it does not answer within its `deadlineMs`, its default verdict counts. A validator whose outlet is full is asked
 * once that is writable again, if time is left.
 */
export interface ValidatorRegistry {
  /**
   * Calls the watcher when the set of judged topics changes; `register` waits for the watchers. Returns a function that
   * ends the watch.
   */
  watch(watcher: () => unknown): () => void
  /**
   * Registers a validator, which is asked once `begin` was called. A second call replaces the registration.
   * @throws ValidatorLimit
   */
  register(validator: Validator, registration: Registration, begin: () => void): Promise<void>
  /** Ends the registration. Open questions may still be answered. Returns false when there was none. */
  unregister(validator: Validator, topic: string): boolean
  /** The validator is gone: its open questions get the default verdict. */
  leave(validator: Validator): void
  /** The validator is writable again. */
  resume(validator: Validator): void
  /** @throws ValidationNotFound when the validator has no such open question */
  answer(validator: Validator, validationId: string, verdict: Verdict): void
  /** Asks all validators of the topic. The strictest verdict counts. */
  ask(message: SignedMessage): Promise<Judgement>
  /** The topics that the validator judges. */
  topicsOf(validator: Validator): string[]
  /** By topic, all registrations of this gateway joined into one. */
  readonly registrations: ReadonlyMap<string, Registration>
  /** The judged topics, in no order. */
  readonly judged: JudgedTopic[]
  /** Questions that wait for a verdict. */
  readonly open: number
}

export type JudgedTopic = Omit<ValidatorView, 'gateway' | 'since'> & Pick<Tally, 'since'>

/** What became of the questions of a topic, since it has a validator. */
interface Tally {
  /** Milliseconds since 1970. */
  since: number
  accepted: number
  ignored: number
  rejected: number
  late: number
}

const tallied = { accept: 'accepted', ignore: 'ignored', reject: 'rejected' } as const

/** A client connection that judges messages. */
export interface Validator {
  /** The client that owns it (`clientKey`). */
  readonly client: string
  /** Whether it can take a message now. */
  readonly writable: boolean
  validate(question: Question): void
}

export interface Question {
  validationId: string
  message: SignedMessage
  /** Milliseconds since 1970. */
  deadline: number
}

interface Seat {
  validator: Validator
  place: Disposable
  registration: Registration
  /** Whether the validator was told that its registration is in effect. */
  hasBegun: boolean
}

interface Open extends Question {
  validator: Validator
  isAsked: boolean
  settle(judgement?: Judgement): void
}

export function createValidatorRegistry(
  init: { limits: Pick<Limits, 'maxValidators' | 'clientSharePercent'> },
  components: { now?: () => number } = {},
): ValidatorRegistry {
  const { maxValidators } = init.limits
  const { now = Date.now } = components
  const changes = createWatchers()
  /** Places for registrations, shared by the clients. */
  const places = createClientShares({ max: maxValidators, limits: init.limits })
  let seats: Seat[] = []
  const registrations = new Map<string, Registration>()
  const tallies = new Map<string, Tally>()
  const gone = new WeakSet<Validator>()
  /** Open questions, oldest first. */
  const open = new Map<string, Open>()

  function seat(validator: Validator, topic: string): Seat | undefined {
    return seats.find((each) => each.validator === validator && each.registration.topic === topic)
  }

  function reseat(left: Seat[]): void {
    const kept = new Set(left.map(({ place }) => place))
    for (const { place } of seats) if (!kept.has(place)) place[Symbol.dispose]()
    seats = left
    registrations.clear()
    for (const { registration } of seats) registrations.set(registration.topic, joined(registration, registrations.get(registration.topic)))
    for (const topic of tallies.keys()) if (!registrations.has(topic)) tallies.delete(topic)
    for (const topic of registrations.keys())
      if (!tallies.has(topic)) tallies.set(topic, { since: now(), accepted: 0, ignored: 0, rejected: 0, late: 0 })
  }

  function ask({ validator, registration }: Seat, message: SignedMessage): Promise<Judgement> {
    const { promise, resolve } = Promise.withResolvers<Judgement>()
    const byDefault = { verdict: registration.default, given: false }
    const timer = setTimeout(() => question.settle(), registration.deadlineMs)
    const question: Open = {
      validationId: randomUUID(),
      message,
      deadline: now() + registration.deadlineMs,
      validator,
      isAsked: false,
      settle(judgement = byDefault) {
        if (!open.delete(question.validationId)) return
        clearTimeout(timer)
        const tally = tallies.get(message.topic)
        if (tally !== undefined) tally[judgement.given ? tallied[judgement.verdict] : 'late']++
        resolve(judgement)
      },
    }
    open.set(question.validationId, question)
    put(question)
    return promise
  }

  function put(question: Open): void {
    if (question.isAsked || !question.validator.writable) return
    question.isAsked = true
    question.validator.validate(question)
  }

  return {
    watch: changes.watch,
    async register(validator, registration, begin) {
      if (gone.has(validator)) return
      const known = seat(validator, registration.topic)
      const place = known?.place ?? places.take(validator.client)
      if (place === undefined)
        throw new ValidatorLimit(`The limit of ${maxValidators} validators at this gateway, or this client's share of it, is reached.`)
      const taken: Seat = { validator, place, registration, hasBegun: known?.hasBegun === true }
      reseat([...seats.filter((each) => each !== known), taken])
      await changes.tellAndWait()
      if (!seats.includes(taken)) return
      taken.hasBegun = true
      begin()
    },
    unregister(validator, topic) {
      const known = seat(validator, topic)
      if (known === undefined) return false
      reseat(seats.filter((each) => each !== known))
      changes.tell()
      return true
    },
    leave(validator) {
      gone.add(validator)
      const left = seats.filter((each) => each.validator !== validator)
      if (left.length < seats.length) {
        reseat(left)
        changes.tell()
      }
      for (const question of [...open.values()]) if (question.validator === validator) question.settle()
    },
    resume(validator) {
      if (open.size === 0 || !seats.some((each) => each.validator === validator)) return
      for (const question of open.values()) if (question.validator === validator) put(question)
    },
    answer(validator, validationId, verdict) {
      const question = open.get(validationId)
      if (question?.validator !== validator) throw new ValidationNotFound('No open validation with this id: it was answered or timed out.')
      question.settle({ verdict, given: true })
    },
    async ask(message) {
      const asked = seats.filter(({ registration, hasBegun }) => hasBegun && registration.topic === message.topic)
      return strictest(await Promise.all(asked.map((each) => ask(each, message))))
    },
    topicsOf: (validator) => seats.filter((each) => each.validator === validator).map(({ registration }) => registration.topic),
    registrations,
    get judged() {
      const [seated, asked] = [createCounter(), createCounter()]
      for (const { registration } of seats) seated.add(registration.topic)
      for (const { message } of open.values()) asked.add(message.topic)
      return [...tallies].flatMap(([topic, tally]) => {
        const registration = registrations.get(topic)
        return registration === undefined ? [] : { ...registration, validators: seated.count(topic), open: asked.count(topic), ...tally }
      })
    },
    get open() {
      return open.size
    },
  }
}
