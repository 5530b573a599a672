import { useState } from 'preact/hooks'
import { call, stream, wordsOf } from '../gateway.ts'
import { Card, Failure, Field } from '../parts.tsx'
import { plural } from '../words.ts'

const waitMs = 15_000

export function Publish({ initialTopic }: { initialTopic: string }) {
  const [topic, setTopic] = useState<string>()
  const [data, setData] = useState('')
  const [isJson, setJson] = useState(false)
  const [result, setResult] = useState<{ told?: string; error?: string }>({})

  async function publish(event: Event) {
    event.preventDefault()
    setResult({})
    try {
      const payload = isJson ? { json: JSON.parse(data) } : data
      const { recipients } = await call(() => stream().publish(topic ?? initialTopic, payload, { signal: AbortSignal.timeout(waitMs) }))
      setResult({ told: `Stored, and handed to ${plural(recipients, 'peer')}.` })
    } catch (error) {
      setResult({ error: error instanceof SyntaxError ? 'This is not JSON.' : wordsOf(error) })
    }
  }

  return (
    <Card title="Publish">
      <form onSubmit={publish}>
        <div class="row">
          <Field label="To topic">
            <input required value={topic ?? initialTopic} onInput={({ currentTarget }) => setTopic(currentTarget.value)} />
          </Field>
          <Field label="Format">
            <select value={isJson ? 'JSON' : 'text'} onChange={({ currentTarget }) => setJson(currentTarget.value === 'JSON')}>
              <option>text</option>
              <option>JSON</option>
            </select>
          </Field>
        </div>
        <Field label="Data">
          <textarea rows={3} cols={60} value={data} onInput={({ currentTarget }) => setData(currentTarget.value)} />
        </Field>
        <div class="row">
          <button class="first" type="submit">
            Publish
          </button>
          <span role="status">{result.told}</span>
        </div>
        <Failure error={result.error} />
      </form>
    </Card>
  )
}
