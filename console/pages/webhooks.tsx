import { useState } from 'preact/hooks'
import { PositionField } from '../fields.tsx'
import { gateway, type Schemas, useChanges, usePoll } from '../gateway.ts'
import { Badge, Card, Failure, Listing, openColumn } from '../parts.tsx'
import { useMay } from '../rights.ts'
import { number, selected, time } from '../words.ts'
import { OpenedWebhook, Secret, stateOf } from './webhook.tsx'
import { newWebhook, ReceiverFields, RequestFields, settingsOf } from './webhook-fields.tsx'

type Webhook = Schemas['Webhook']

export function Webhooks() {
  const may = useMay()
  const webhooks = usePoll(() => gateway.rest.call('get', '/v1/webhooks', { query: { limit: 500 } }), 5_000)
  const [opened, setOpened] = useState<string>()
  const shown = webhooks.value?.items.find(({ id }) => id === opened)
  return (
    <>
      <Card title="Webhooks">
        <Listing
          label="Webhooks"
          list={webhooks}
          columns={[
            {
              name: 'Receiver',
              cell: ({ url, id }: Webhook) => (
                <>
                  {url}
                  <br />
                  <code class="faint whole">{id}</code>
                </>
              ),
            },
            { name: 'Topics', cell: selected },
            { name: 'State', cell: (webhook) => <Badge {...stateOf(webhook)} /> },
            { name: 'Position', cell: ({ cursor }) => <code class="whole">{cursor}</code> },
            { name: 'Accepted', cell: ({ acceptedAt }) => time(acceptedAt) },
            { name: 'Failures', cell: ({ failures }) => number(failures), number: true },
            { name: 'Last error', cell: ({ lastError }) => (lastError === null ? '–' : <span class="sentence">{lastError}</span>) },
            openColumn(({ id }: Webhook) => id, setOpened),
          ]}
          keyOf={({ id }) => id}
          none="There is no webhook that this client may see."
        />
      </Card>
      {shown !== undefined && <OpenedWebhook key={shown.id} webhook={shown} changed={webhooks.again} close={() => setOpened(undefined)} />}
      {may('read') && <NewWebhook made={webhooks.again} />}
    </>
  )
}

function NewWebhook({ made }: { made: () => void }) {
  const [values, setValues] = useState(newWebhook)
  const [after, setAfter] = useState('latest')
  const [answer, setAnswer] = useState<Schemas['WebhookWithSecret']>()
  const { act, error } = useChanges(() => {
    setValues({ ...values, url: '', headers: '' })
    made()
  })

  function create(event: Event) {
    event.preventDefault()
    setAnswer(undefined)
    const body = { headers: [], ...settingsOf(values), after }
    void act(async () => setAnswer(await gateway.rest.call('post', '/v1/webhooks', { body })))
  }

  return (
    <Card title="Create a webhook">
      <form onSubmit={create}>
        <ReceiverFields values={values} change={setValues}>
          <PositionField label="Start" initial="latest" change={setAfter} />
        </ReceiverFields>
        <details>
          <summary>Requests</summary>
          <RequestFields values={values} change={setValues} headersLabel="Header fields, one per line, such as Authorization: Bearer …" />
        </details>
        <button class="first" type="submit">
          Create
        </button>
      </form>
      <Failure error={error} />
      {answer !== undefined && <Secret webhook={answer} />}
    </Card>
  )
}
