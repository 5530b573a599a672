import { useState } from 'preact/hooks'
import { call, gateway, type Schemas, usePoll, wordsOf } from '../gateway.ts'
import { Badge, Card, Failure, Field, Table } from '../parts.tsx'
import { bytes, duration, number } from '../words.ts'

export function Topics() {
  const topics = usePoll(() => gateway.rest.call('get', '/v1/topics', { query: { limit: 500 } }), 5_000)
  const [name, setName] = useState('')
  const [changed, setChanged] = useState<Schemas['TopicStats']>()
  const [error, setError] = useState<string>()

  async function act(change: () => Promise<unknown>) {
    setError(undefined)
    try {
      await call(change)
      setChanged(undefined)
      topics.again()
    } catch (failure) {
      setError(wordsOf(failure))
    }
  }

  function join(event: Event) {
    event.preventDefault()
    void act(() => gateway.rest.call('put', '/v1/topics/{topic}', { path: { topic: name } }))
  }

  return (
    <>
      <Card title="Join a topic">
        <form class="row" onSubmit={join}>
          <Field label="Topic">
            <input required value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
          </Field>
          <button class="first" type="submit">
            Join
          </button>
        </form>
        <Failure error={error} />
      </Card>
      {changed !== undefined && (
        <Retention
          key={changed.topic}
          topic={changed}
          save={(retention) =>
            void act(() => gateway.rest.call('patch', '/v1/topics/{topic}', { path: { topic: changed.topic }, body: { retention } }))
          }
        />
      )}
      <Card title="Topics">
        <Failure error={topics.error} />
        <Table
          label="Topics"
          columns={[
            { name: 'Topic', cell: ({ topic }) => <a href={`#/messages?topic=${encodeURIComponent(topic)}`}>{topic}</a> },
            { name: 'State', cell: ({ joined }) => <Badge tone={joined ? 'good' : 'neutral'}>{joined ? 'joined' : 'stored'}</Badge> },
            { name: 'Messages', cell: ({ messages }) => number(messages), number: true },
            { name: 'Size', cell: (topic) => bytes(topic.bytes), number: true },
            { name: 'Subscribers', cell: ({ subscribers }) => number(subscribers), number: true },
            {
              name: 'Kept',
              cell: ({ retention }) => keptOf(retention),
            },
            {
              name: 'Actions',
              cell: (topic) => (
                <span class="actions">
                  <button type="button" aria-label={`Retention of ${topic.topic}`} onClick={() => setChanged(topic)}>
                    Retention
                  </button>
                  {topic.joined && (
                    <button
                      type="button"
                      aria-label={`Leave ${topic.topic}`}
                      onClick={() => void act(() => gateway.rest.call('delete', '/v1/topics/{topic}', { path: { topic: topic.topic } }))}
                    >
                      Leave
                    </button>
                  )}
                </span>
              ),
            },
          ]}
          rows={topics.value?.items}
          keyOf={({ topic }) => topic}
          none="No topic is joined or stored."
        />
        {topics.value?.next != null && <p class="faint">There are more topics than are shown here.</p>}
      </Card>
    </>
  )
}

/** Zero is no limit. */
function keptOf({ maxAgeMs, maxMessages, maxBytes }: Schemas['Retention']): string {
  const limits = [
    ...(maxAgeMs === 0 ? [] : [duration(maxAgeMs)]),
    ...(maxMessages === 0 ? [] : [`${number(maxMessages)} messages`]),
    ...(maxBytes === 0 ? [] : [bytes(maxBytes)]),
  ]
  return limits.length === 0 ? 'everything' : limits.join(', ')
}

const fields = [
  { name: 'maxAgeMs', label: 'Age, hours', unit: 3_600_000 },
  { name: 'maxMessages', label: 'Messages', unit: 1 },
  { name: 'maxBytes', label: 'Size, MiB', unit: 2 ** 20 },
] as const

function Retention({ topic, save }: { topic: Schemas['TopicStats']; save: (retention: Schemas['RetentionInput']) => void }) {
  const [values, setValues] = useState(topic.retention)
  return (
    <Card title={`Retention of ${topic.topic}`}>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          save(values)
        }}
      >
        {fields.map(({ name, label, unit }) => (
          <Field key={name} label={label}>
            <input
              type="number"
              min="0"
              step="any"
              value={values[name] / unit}
              onChange={({ currentTarget }) => setValues({ ...values, [name]: Math.round(currentTarget.valueAsNumber * unit) })}
            />
          </Field>
        ))}
        <button class="first" type="submit">
          Save
        </button>
      </form>
    </Card>
  )
}
