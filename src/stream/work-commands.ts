import { InvalidRequest, MessageTooLarge, ServiceNotFound, ValidationNotFound } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Client, StreamComponents } from './client.ts'
import { decodeData, type FrameOf, keyOf } from './frame-data.ts'
import { answering } from './server-frames.ts'

/** Carries out the frames with which a client works for others: serving requests and judging messages. */
export interface WorkCommands {
  serve(frame: FrameOf<'serve'>, client: Client): Promise<void>
  unserve(frame: FrameOf<'unserve'>, client: Client): void
  reply(frame: FrameOf<'reply'>, client: Client): void
  validate(frame: FrameOf<'validate'>, client: Client): Promise<void>
  unvalidate(frame: FrameOf<'unvalidate'>, client: Client): void
  judge(frame: FrameOf<'verdict'>, client: Client): void
  /** The client is gone: ends everything that it served and judged. */
  leave(client: Client): void
}

export function createWorkCommands(
  init: { limits: Pick<Limits, 'maxMessageBytes'> },
  components: Pick<StreamComponents, 'topics' | 'serviceRegistry' | 'validatorRegistry'>,
): WorkCommands {
  const { limits } = init
  const { topics, serviceRegistry, validatorRegistry } = components
  /** The uses of the topics that each connection judges, by topic. */
  const judged = new WeakMap<Client, Map<string, Disposable>>()

  async function serve({ id, service, concurrency = 1, encoding }: FrameOf<'serve'>, { asked, outlet }: Client): Promise<void> {
    await serviceRegistry.serve(asked, service, concurrency, () => {
      asked.want(`service ${service}`, encoding)
      outlet.send({ type: 'serving', ...answering(id), service })
    })
  }

  function unserve({ id, service }: FrameOf<'unserve'>, { asked, outlet }: Client): void {
    if (!serviceRegistry.unserve(asked, service)) throw new ServiceNotFound('This connection does not serve this service.')
    asked.want(`service ${service}`, undefined)
    outlet.send({ type: 'unserved', ...answering(id), service })
  }

  /** Answers only a frame with an id, and after the reply was passed on. */
  function reply({ id, requestId, data, encoding, error }: FrameOf<'reply'>, { asked, outlet }: Client): void {
    if ((data === undefined) === (error === undefined)) throw new InvalidRequest('A reply needs either "data" or "error".')
    serviceRegistry.reply(asked, requestId, error === undefined ? { data: replyData({ data, encoding }) } : { error })
    if (id !== undefined) outlet.send({ type: 'replied', id, requestId })
  }

  /** @throws MessageTooLarge when the requesting gateway would refuse the data */
  function replyData(payload: Parameters<typeof decodeData>[0]): Uint8Array {
    const data = decodeData(payload)
    if (data.length <= limits.maxMessageBytes) return data
    throw new MessageTooLarge(`A reply may have at most ${limits.maxMessageBytes} bytes of data. This one has ${data.length}.`)
  }

  async function validate(frame: FrameOf<'validate'>, client: Client): Promise<void> {
    const { asked, outlet, signal } = client
    const { id, topic, deadlineMs = 1_000, default: byDefault = 'ignore', encoding } = frame
    using held = new DisposableStack()
    held.use(await topics.use(topic, keyOf(client)))
    const registration = { topic, deadlineMs, default: byDefault }
    await validatorRegistry.register(asked, registration, () => {
      asked.want(`topic ${topic}`, encoding)
      outlet.send({ type: 'validating', ...answering(id), ...registration })
    })
    if (signal.aborted) return
    const uses = judged.get(client) ?? new Map<string, Disposable>()
    judged.set(client, uses)
    uses.get(topic)?.[Symbol.dispose]()
    uses.set(topic, held.move())
  }

  function unvalidate({ id, topic }: FrameOf<'unvalidate'>, client: Client): void {
    const { asked, outlet } = client
    if (!validatorRegistry.unregister(asked, topic)) throw new ValidationNotFound('This connection does not validate this topic.')
    asked.want(`topic ${topic}`, undefined)
    judged.get(client)?.get(topic)?.[Symbol.dispose]()
    judged.get(client)?.delete(topic)
    outlet.send({ type: 'unvalidated', ...answering(id), topic })
  }

  function judge({ id, validationId, verdict }: FrameOf<'verdict'>, { asked, outlet }: Client): void {
    validatorRegistry.answer(asked, validationId, verdict)
    if (id !== undefined) outlet.send({ type: 'judged', id, validationId })
  }

  return {
    serve,
    unserve,
    reply,
    validate,
    unvalidate,
    judge,
    leave(client) {
      serviceRegistry.leave(client.asked)
      validatorRegistry.leave(client.asked)
      for (const use of judged.get(client)?.values() ?? []) use[Symbol.dispose]()
    },
  }
}
