import { useState } from 'preact/hooks'
import { call, gateway, stream, usePoll, wordsOf } from '../gateway.ts'
import { Badge, Card, Failure, Field, Listing } from '../parts.tsx'
import { useMay } from '../rights.ts'
import { number, shortId, time } from '../words.ts'

const waitMs = 15_000

export function Direct() {
  const may = useMay()
  const deliveries = usePoll(
    async () => (may('direct') ? await gateway.rest.call('get', '/v1/deliveries', { query: { limit: 100 } }) : { items: [], next: null }),
    5_000,
  )
  const [to, setTo] = useState('')
  const [data, setData] = useState('')
  const [service, setService] = useState('')
  const [result, setResult] = useState<{ told?: string; error?: string }>({})

  async function submit(event: Event) {
    event.preventDefault()
    setResult({})
    const signal = AbortSignal.timeout(waitMs)
    try {
      if (service === '') {
        await call(() => stream().send(to, data, { signal }))
        setResult({ told: 'Queued. Its delivery is listed below.' })
        deliveries.again()
      } else {
        const answer = await call(() => stream().request(to, service, data, { signal }))
        setResult({ told: typeof answer.data === 'string' ? answer.data : JSON.stringify(answer.data) })
      }
    } catch (error) {
      setResult({ error: wordsOf(error) })
    }
  }

  return (
    <>
      <Card title="Send to a peer">
        <form onSubmit={submit}>
          <div class="row">
            <Field label="Peer id">
              <input required size={40} value={to} onInput={({ currentTarget }) => setTo(currentTarget.value.trim())} />
            </Field>
            {may('request') && (
              <Field label={may('direct') ? 'Service to ask (empty: send a message)' : 'Service to ask'}>
                <input required={!may('direct')} value={service} onInput={({ currentTarget }) => setService(currentTarget.value.trim())} />
              </Field>
            )}
          </div>
          <Field label="Data">
            <textarea rows={3} value={data} onInput={({ currentTarget }) => setData(currentTarget.value)} />
          </Field>
          <button class="first" type="submit">
            {service === '' ? 'Send' : 'Ask'}
          </button>
        </form>
        <Failure error={result.error} />
        {result.told !== undefined && <pre role="status">{result.told}</pre>}
      </Card>
      {may('direct') && (
        <Card title="Deliveries">
          <Listing
            label="Deliveries"
            list={deliveries}
            columns={[
              { name: 'To', cell: (delivery) => <code title={delivery.to}>{shortId(delivery.to)}</code> },
              { name: 'State', cell: ({ state }) => <Badge tone={state === 'delivered' ? 'good' : 'neutral'}>{state}</Badge> },
              { name: 'Attempts', cell: ({ attempts }) => number(attempts), number: true },
              { name: 'Last error', cell: ({ lastError }) => lastError ?? '–' },
              { name: 'Created', cell: ({ createdAt }) => time(createdAt) },
              { name: 'Changed', cell: ({ updatedAt }) => time(updatedAt) },
            ]}
            keyOf={({ id }) => id}
            none="No direct message was sent."
          />
        </Card>
      )}
    </>
  )
}
