import type { ComponentChildren } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import type { Message } from '../../clients/typescript/src/index.ts'
import { type Form, maxShown, shown } from '../decode.ts'
import { Badge, Facts, Field } from '../parts.tsx'
import { type Language, languages, snippet } from '../snippets.ts'
import { shortId, time } from '../words.ts'

export function MessageLine({ message, form, aside }: { message: Message; form: Form; aside?: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false)
  const text = useMemo(() => shown(message, form), [message, form])
  return (
    <li class="message">
      <div class="line">
        <button type="button" class="plain" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <span class="faint">{time(message.receivedAt)}</span> <strong>{message.topic ?? 'direct'}</strong>{' '}
          <code class="faint">{shortId(message.from)}</code>
        </button>
        {aside}
      </div>
      <pre>
        {text.slice(0, maxShown)}
        {text.length > maxShown && ' …'}
      </pre>
      {isOpen && <Details message={message} />}
    </li>
  )
}

function Details({ message }: { message: Message }) {
  const [language, setLanguage] = useState<Language>('curl')
  const [copied, setCopied] = useState('')
  const code = snippet(message, language, location.origin)

  async function copy() {
    try {
      await navigator.clipboard.writeText(code)
      setCopied('Copied.')
    } catch {
      setCopied('The browser does not let this page copy: select the text instead.')
    }
  }

  return (
    <div>
      <Facts
        facts={[
          { name: 'Author', value: <code>{message.from}</code> },
          { name: 'Sequence number', value: <code>{message.sequence}</code> },
          { name: 'Cursor', value: <code>{message.cursor}</code> },
          { name: 'Id', value: <code>{message.id}</code> },
          {
            name: 'Signature',
            value: (
              <>
                <Badge tone="good">valid</Badge> verified before it was stored <code>{message.signature}</code>
              </>
            ),
          },
        ]}
      />
      <div class="row">
        <Field label="Copy as">
          <select
            value={language}
            onChange={({ currentTarget }) => setLanguage(languages.find((each) => each === currentTarget.value) ?? 'curl')}
          >
            {languages.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </Field>
        <button type="button" onClick={copy}>
          Copy
        </button>
        <span role="status">{copied}</span>
      </div>
      <pre>{code}</pre>
    </div>
  )
}
