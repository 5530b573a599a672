import type { ComponentChildren } from 'preact'
import { NumberFields, noSelection, type Selection, SelectionFields } from '../fields.tsx'
import type { Schemas } from '../gateway.ts'
import { Field } from '../parts.tsx'
import { patternsOf } from '../words.ts'

type Sizes = Pick<Schemas['Webhook'], 'batchSize' | 'batchMs' | 'timeoutMs'>
type Settings = Sizes & Pick<Schemas['Webhook'], 'url' | 'topics' | 'direct'>
type Header = Schemas['WebhookHeader']

/** The settings of a webhook, as a form has them. */
export interface WebhookValues extends Sizes {
  url: string
  selection: Selection
  /** One header field a line. */
  headers: string
}

export const newWebhook: WebhookValues = { url: '', selection: noSelection, headers: '', batchSize: 100, batchMs: 0, timeoutMs: 15_000 }

const sizes = [
  { name: 'batchSize', label: 'Maximum messages per request', min: 1 },
  { name: 'batchMs', label: 'Batching delay, s', unit: 1_000 },
  { name: 'timeoutMs', label: 'Timeout, s', unit: 1_000, min: 100 },
] as const

/** Without `headers` when the form has none: a webhook keeps those that it has, whose values nobody is shown. */
export function settingsOf({ url, selection, headers, ...numbers }: WebhookValues): Settings & { headers?: Header[] } {
  const fields = headers.split('\n').filter((line) => line.trim() !== '')
  return {
    ...{ url, topics: patternsOf(selection.topics), direct: selection.direct, ...numbers },
    ...(fields.length === 0 ? {} : { headers: fields.map(headerOf) }),
  }
}

/** The gateway refuses a line that is no header field. */
function headerOf(line: string): Header {
  const [name = '', ...value] = line.split(':')
  return { name: name.trim(), value: value.join(':').trim() }
}

interface FieldsProps {
  values: WebhookValues
  change: (values: WebhookValues) => void
}

/** What is sent to whom. */
export function ReceiverFields({ values, change, children }: FieldsProps & { children?: ComponentChildren }) {
  const { url, selection } = values
  return (
    <div class="row">
      <Field label="URL of the receiver">
        <input
          class="long"
          type="url"
          required
          value={url}
          onInput={({ currentTarget }) => change({ ...values, url: currentTarget.value.trim() })}
        />
      </Field>
      <SelectionFields selection={selection} change={(changed) => change({ ...values, selection: changed })} />
      {children}
    </div>
  )
}

/** What the requests are like. */
export function RequestFields({ values, change, headersLabel }: FieldsProps & { headersLabel: string }) {
  return (
    <div class="row">
      <NumberFields settings={sizes} values={values} change={(changed) => change({ ...values, ...changed })} />
      <Field label={headersLabel}>
        <textarea
          class="long"
          rows={2}
          value={values.headers}
          onInput={({ currentTarget }) => change({ ...values, headers: currentTarget.value })}
        />
      </Field>
    </div>
  )
}
