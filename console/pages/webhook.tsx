import { useState } from 'preact/hooks'
import { PositionField } from '../fields.tsx'
import { gateway, type Schemas, useChanges, usePoll } from '../gateway.ts'
import { type BadgeProps, Facts, Failure, Listing, Opened, Range } from '../parts.tsx'
import { number, plural, selected, time } from '../words.ts'
import { ReceiverFields, RequestFields, settingsOf } from './webhook-fields.tsx'

type Webhook = Schemas['Webhook']

export function stateOf({ state, failures }: Webhook): BadgeProps {
  if (state === 'paused') return { tone: 'neutral', children: 'paused' }
  return failures > 0 ? { tone: 'bad', children: 'failing' } : { tone: 'good', children: 'active' }
}

export function Secret({ webhook: { id, secret } }: { webhook: Schemas['WebhookWithSecret'] }) {
  return (
    <p class="notice" role="status">
      The secret of {id}, shown only now: <code>{secret}</code>
    </p>
  )
}

/** A webhook: how its receiver does, what can be done with it, its settings and its last attempts. */
export function OpenedWebhook({ webhook, changed, close }: { webhook: Webhook; changed: () => void; close: () => void }) {
  const { id, state } = webhook
  const path = { id }
  const attempts = usePoll(async () => ({ ...(await gateway.rest.call('get', '/v1/webhooks/{id}/attempts', { path })), next: null }), 5_000)
  const [tested, setTested] = useState<Schemas['WebhookTest']>()
  const [rotated, setRotated] = useState<Schemas['WebhookWithSecret']>()
  const { act, error } = useChanges(() => {
    changed()
    attempts.again()
  })
  const change = (body: Schemas['WebhookChanges']) => void act(() => gateway.rest.call('patch', '/v1/webhooks/{id}', { path, body }))

  return (
    <Opened title={`Webhook ${id}`} close={close}>
      <Facts facts={factsOf(webhook)} />
      <div class="row">
        <button
          type="button"
          onClick={() => void act(async () => setTested(await gateway.rest.call('post', '/v1/webhooks/{id}/test', { path })))}
        >
          Send a test
        </button>
        <button type="button" onClick={() => change({ state: state === 'paused' ? 'active' : 'paused' })}>
          {state === 'paused' ? 'Resume' : 'Pause'}
        </button>
        <button
          type="button"
          onClick={() =>
            confirm('Replace the secret? For a day, requests are signed with both.') &&
            void act(async () => setRotated(await gateway.rest.call('post', '/v1/webhooks/{id}/secret', { path })))
          }
        >
          New secret
        </button>
        <button
          type="button"
          onClick={() => confirm(`Delete the webhook ${id}?`) && void act(() => gateway.rest.call('delete', '/v1/webhooks/{id}', { path }))}
        >
          Delete
        </button>
      </div>
      <Failure error={error} />
      {rotated !== undefined && <Secret webhook={rotated} />}
      {tested !== undefined && <Tested result={tested} />}
      <h3>Replay</h3>
      <Replay replay={(after) => change({ after })} />
      <h3>Settings</h3>
      <Settings webhook={webhook} save={change} />
      <h3>Last attempts</h3>
      <Listing
        label="Attempts"
        list={attempts}
        columns={[
          { name: 'Time', cell: ({ at }: Schemas['WebhookAttempt']) => time(at) },
          { name: 'Request', cell: ({ webhookId }) => <code class="whole">{webhookId}</code> },
          { name: 'Messages', cell: ({ messages }) => number(messages), number: true },
          { name: 'Status', cell: ({ status }) => status ?? '–', number: true },
          { name: 'Duration', cell: ({ durationMs }) => `${number(durationMs)} ms`, number: true },
          { name: 'Error', cell: ({ error: why }) => (why === null ? '–' : <span class="sentence">{why}</span>) },
        ]}
        keyOf={({ at, webhookId }) => `${at} ${webhookId}`}
        none="Nothing was sent yet."
      />
    </Opened>
  )
}

function factsOf(webhook: Webhook) {
  const {
    url,
    cursor,
    createdAt,
    createdBy,
    acceptedAt,
    failures,
    failingSince,
    retryAt,
    lastError,
    gap,
    oldSecretUntil,
    headers,
    publicKeys,
  } = webhook
  return [
    { name: 'Receiver', value: url },
    { name: 'Topics', value: selected(webhook) },
    { name: 'Created', value: `${time(createdAt)}, by ${createdBy}` },
    { name: 'Position', value: <code>{cursor}</code> },
    { name: 'Last accepted', value: time(acceptedAt) },
    ...(failingSince === null ? [] : [{ name: 'Failing', value: `${plural(failures, 'attempt')} since ${time(failingSince)}` }]),
    ...(retryAt === null ? [] : [{ name: 'Next attempt', value: time(retryAt) }]),
    ...(lastError === null ? [] : [{ name: 'Last error', value: lastError }]),
    ...(gap === undefined ? [] : [{ name: `Last gap: ${gap.reason}`, value: <Range {...gap} /> }]),
    ...(oldSecretUntil === null ? [] : [{ name: 'The old secret signs until', value: time(oldSecretUntil) }]),
    ...(headers.length === 0 ? [] : [{ name: 'Header fields', value: headers.map(({ name }) => name).join(', ') }]),
    { name: 'Public keys', value: publicKeys.map((key) => <code key={key}>{key} </code>) },
  ]
}

function Tested({ result: { status, durationMs, error, body } }: { result: Schemas['WebhookTest'] }) {
  return (
    <div class={error === null ? 'notice' : 'notice bad'} role="status">
      {error ?? `The receiver accepted the test: status ${status} after ${number(durationMs)} ms.`}
      {body !== '' && <pre>{body}</pre>}
    </div>
  )
}

function Replay({ replay }: { replay: (after: string) => void }) {
  const [after, setAfter] = useState('earliest')
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault()
        replay(after)
      }}
    >
      <PositionField label="Continue" initial="earliest" change={setAfter} />
      <button type="submit">Replay</button>
    </form>
  )
}

function Settings({ webhook, save }: { webhook: Webhook; save: (changes: Schemas['WebhookChanges']) => void }) {
  const { url, topics, direct, batchSize, batchMs, timeoutMs } = webhook
  const [values, setValues] = useState({
    ...{ url, batchSize, batchMs, timeoutMs, headers: '' },
    selection: { topics: topics.join(' '), direct },
  })

  function submit(event: Event) {
    event.preventDefault()
    const { topics: otherTopics, direct: otherDirect, ...more } = settingsOf(values)
    const other = { topics: otherTopics, direct: otherDirect }
    // Topics that are given, even the same ones, give up a request that is to be sent again.
    save(selected(other) === selected(webhook) ? more : { ...more, ...other })
  }

  return (
    <form onSubmit={submit}>
      <ReceiverFields values={values} change={setValues} />
      <RequestFields values={values} change={setValues} headersLabel="New header fields, one per line (empty: as now)" />
      <button class="first" type="submit">
        Save
      </button>
    </form>
  )
}
