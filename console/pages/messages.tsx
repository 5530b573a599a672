import { useEffect, useRef, useState } from 'preact/hooks'
import { type Form, forms, shown } from '../decode.ts'
import { call, gateway, type Schemas, stream, wordsOf } from '../gateway.ts'
import { Card, Failure, Field } from '../parts.tsx'
import { useMay } from '../rights.ts'
import { maxLines, Tail, type TailView } from '../tail.ts'
import { number, plural } from '../words.ts'
import { MessageLine } from './message-line.tsx'
import { Publish } from './publish.tsx'

const nothing: TailView = { lines: [], shown: maxLines, received: 0, undrawn: 0, isRunning: false, isLive: false, error: undefined }

export function Messages() {
  const may = useMay()
  const [topic, setTopic] = useState(new URLSearchParams(location.hash.split('?')[1]).get('topic') ?? '')
  return (
    <>
      {may('read') && <Follow topic={topic} setTopic={setTopic} />}
      {may('publish') && <Publish initialTopic={topic} />}
    </>
  )
}

function Follow({ topic, setTopic }: { topic: string; setTopic: (topic: string) => void }) {
  const [since, setSince] = useState('')
  const [filter, setFilter] = useState('')
  const [form, setForm] = useState<Form>('auto')
  const [view, setView] = useState(nothing)
  const [error, setError] = useState<string>()
  const tail = useRef<Tail | undefined>(undefined)

  useEffect(() => () => tail.current?.pause(), [])

  async function run(next: Tail) {
    tail.current = next
    await next.resume()
    const failure = next.view.error
    if (failure === undefined) return
    setError(wordsOf(failure))
    // The frame of the page must know when the session has ended.
    await call(() => Promise.reject(failure)).catch(() => {})
  }

  async function follow(event: Event) {
    event.preventDefault()
    tail.current?.pause()
    setError(undefined)
    setView(nothing)
    try {
      void run(since === '' ? tailFrom('latest') : await tailSince(new Date(since).toISOString()))
    } catch (failure) {
      setError(wordsOf(failure))
    }
  }

  function tailFrom(after: string): Tail {
    const next: Tail = new Tail({ client: stream, topic, draw: (drawn) => tail.current === next && setView(drawn) }, after)
    return next
  }

  /** Begins with the first message that was stored at a time or later. */
  async function tailSince(at: string): Promise<Tail> {
    let [first, after, isEnd]: [Schemas['Message'] | undefined, string, boolean] = [undefined, 'earliest', false]
    // A page looks through a bounded number of messages.
    while (first === undefined && !isEnd) {
      const query = { topic: [topic], since: at, order: 'asc' as const, limit: 1, after }
      const page = await call(() => gateway.rest.call('get', '/v1/messages', { query }))
      ;[first, after, isEnd] = [page.items[0], page.newer, page.caughtUp]
    }
    const next = tailFrom(first?.cursor ?? 'latest')
    if (first !== undefined) next.add({ type: 'message', message: first, cursor: first.cursor })
    return next
  }

  const wanted = filter.toLowerCase()
  const lines = view.lines
    .toReversed()
    .filter(
      (line) =>
        wanted === '' ||
        (line.type === 'message' &&
          `${line.message.from} ${line.message.topic} ${shown(line.message, form)}`.toLowerCase().includes(wanted)),
    )
  const drawn = lines.slice(0, view.shown)
  return (
    <Card title="Follow">
      <form class="row" onSubmit={follow}>
        <Field label="Topic or pattern">
          <input required value={topic} onInput={({ currentTarget }) => setTopic(currentTarget.value)} />
        </Field>
        <Field label="Start at (empty: now)">
          <input type="datetime-local" step="1" value={since} onInput={({ currentTarget }) => setSince(currentTarget.value)} />
        </Field>
        <button class="first" type="submit">
          Follow
        </button>
        {tail.current !== undefined && (
          <>
            <button type="button" onClick={() => (view.isRunning ? tail.current?.pause() : tail.current && void run(tail.current))}>
              {view.isRunning ? 'Pause' : 'Resume'}
            </button>
            <button type="button" onClick={() => tail.current?.clear()}>
              Clear
            </button>
          </>
        )}
      </form>
      <div class="row">
        <Field label="Search">
          <input type="search" value={filter} onInput={({ currentTarget }) => setFilter(currentTarget.value)} />
        </Field>
        <Field label="Decode as">
          <select value={form} onChange={({ currentTarget }) => setForm(forms.find((each) => each === currentTarget.value) ?? 'auto')}>
            {forms.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </Field>
      </div>
      <Failure error={error} />
      <p class="faint">
        {plural(view.received, 'message')} received; the newest {number(maxLines)} are kept here
        {view.shown < maxLines && `, and ${number(view.shown)} of them shown while so many come`}.
        {view.undrawn > 0 && ` ${plural(view.undrawn, 'message')} came too fast to be shown.`}
        {view.isRunning && (view.isLive ? ' Each new message appears here.' : ' Waiting for the gateway …')}
      </p>
      <ul class="messages" aria-label="Messages, the newest first">
        {drawn.map((line) =>
          line.type === 'message' ? (
            <MessageLine key={line.cursor} message={line.message} form={form} />
          ) : (
            <li key={`gap ${line.cursor}`} class="notice bad">
              Messages are missing here: {line.reason}.
            </li>
          ),
        )}
      </ul>
    </Card>
  )
}
