import { useRef, useState } from 'preact/hooks'
import { NumberFields } from '../fields.tsx'
import { gateway, type Schemas, useChanges, usePoll } from '../gateway.ts'
import { Badge, Card, Failure, Listing, Opened, TextForm } from '../parts.tsx'
import { type Counts, perSecond, rateOf } from '../rates.ts'
import { useMay } from '../rights.ts'
import { bytes, duration, number } from '../words.ts'
import { Subscribers } from './subscribers.tsx'

type Topic = Schemas['TopicStats']

export function Topics() {
  const may = useMay()
  const before = useRef<Counts | undefined>(undefined)
  const topics = usePoll(async () => {
    const { items, next } = await gateway.rest.call('get', '/v1/topics', { query: { limit: 500 } })
    const now = { at: Date.now(), counts: new Map(items.flatMap(countsOf)) }
    const rates = perSecond(before.current, now)
    before.current = now
    return { items: items.map((each) => ({ ...each, in: rates.get(`in ${each.topic}`), out: rates.get(`out ${each.topic}`) })), next }
  }, 5_000)
  const [opened, setOpened] = useState<{ topic: Topic; part: 'retention' | 'subscribers' }>()
  const close = () => setOpened(undefined)
  const joining = useChanges(topics.again)
  const { act, error } = useChanges(() => {
    close()
    topics.again()
  })

  return (
    <>
      <Failure error={error} />
      <Card title="Topics">
        <Listing
          label="Topics"
          list={topics}
          columns={[
            { name: 'Topic', cell: ({ topic }) => <a href={`#/messages?topic=${encodeURIComponent(topic)}`}>{topic}</a> },
            { name: 'State', cell: ({ joined }) => <Badge tone={joined ? 'good' : 'neutral'}>{joined ? 'joined' : 'stored'}</Badge> },
            { name: 'Messages', cell: ({ messages }) => number(messages), number: true },
            { name: 'In', cell: (topic) => rateOf(topic.in), number: true },
            { name: 'Out', cell: (topic) => rateOf(topic.out), number: true },
            { name: 'Size', cell: (topic) => bytes(topic.bytes), number: true },
            { name: 'Subscribers', cell: subscribersOf, number: true },
            { name: 'Kept', cell: ({ retention }) => keptOf(retention) },
            {
              name: 'Actions',
              cell: (topic) => (
                <span class="actions">
                  {may('peers') && (
                    <button
                      type="button"
                      aria-label={`Subscribers of ${topic.topic}`}
                      onClick={() => setOpened({ topic, part: 'subscribers' })}
                    >
                      Subscribers
                    </button>
                  )}
                  {may('admin') && (
                    <button
                      type="button"
                      aria-label={`Retention of ${topic.topic}`}
                      onClick={() => setOpened({ topic, part: 'retention' })}
                    >
                      Retention
                    </button>
                  )}
                  {may('admin') && topic.joined && (
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
          keyOf={({ topic }) => topic}
          none="No topic is joined or stored."
        />
      </Card>
      {opened?.part === 'subscribers' && <Subscribers key={opened.topic.topic} topic={opened.topic.topic} close={close} />}
      {opened?.part === 'retention' && (
        <Retention
          key={opened.topic.topic}
          topic={opened.topic}
          close={close}
          save={(retention) =>
            void act(() => gateway.rest.call('patch', '/v1/topics/{topic}', { path: { topic: opened.topic.topic }, body: { retention } }))
          }
        />
      )}
      <TextForm
        title="Join a topic"
        label="Topic"
        button="Join"
        submit={(topic) => void joining.act(() => gateway.rest.call('put', '/v1/topics/{topic}', { path: { topic } }))}
      >
        <Failure error={joining.error} />
      </TextForm>
    </>
  )
}

/** What comes into the log, and what goes to followers and peers. */
function countsOf({ topic, traffic: { stored, delivered, sent } }: Topic): Array<[string, number]> {
  return [
    [`in ${topic}`, stored],
    [`out ${topic}`, delivered + sent],
  ]
}

/** Peers, and of a bridge those of each network. */
function subscribersOf({ subscribers, networks }: Topic): string {
  if (networks.length < 2) return number(subscribers)
  return `${number(subscribers)} (${networks.map((each) => `${each.engine} ${number(each.subscribers)}`).join(', ')})`
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

const settings = [
  { name: 'maxAgeMs', label: 'Age, hours', unit: 3_600_000 },
  { name: 'maxMessages', label: 'Messages' },
  { name: 'maxBytes', label: 'Size, MiB', unit: 2 ** 20 },
] as const

function Retention(props: { topic: Topic; save: (retention: Schemas['RetentionInput']) => void; close: () => void }) {
  const { topic, save, close } = props
  const [values, setValues] = useState(topic.retention)
  return (
    <Opened title={`Retention of ${topic.topic}`} close={close}>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          save(values)
        }}
      >
        <NumberFields settings={settings} values={values} change={setValues} />
        <button class="first" type="submit">
          Save
        </button>
      </form>
    </Opened>
  )
}
