import { useState } from 'preact/hooks'
import { call, gateway, type Schemas, usePoll, wordsOf } from '../gateway.ts'
import { Card, Failure, Field, Table } from '../parts.tsx'
import { time } from '../words.ts'

type Action = Schemas['TokenInput']['actions'][number]

const actions: readonly Action[] = ['read', 'publish', 'direct', 'request', 'serve', 'validate', 'dht', 'peers', 'admin']

export function Tokens() {
  const tokens = usePoll(() => gateway.rest.call('get', '/v1/tokens', { query: { limit: 500 } }), 10_000)
  const [name, setName] = useState('')
  const [topics, setTopics] = useState('')
  const [chosen, setChosen] = useState<Action[]>(['read'])
  const [made, setMade] = useState<Schemas['TokenWithSecret']>()
  const [error, setError] = useState<string>()

  async function act(change: () => Promise<void>) {
    setError(undefined)
    try {
      await call(change)
      tokens.again()
    } catch (failure) {
      setError(wordsOf(failure))
    }
  }

  function create(event: Event) {
    event.preventDefault()
    const patterns = topics.split(/[\s,]+/).filter((topic) => topic !== '')
    const body = { name, actions: chosen, topics: patterns.length === 0 ? ['>'] : patterns }
    void act(async () => setMade(await gateway.rest.call('post', '/v1/tokens', { body })))
  }

  return (
    <>
      <Card title="Make a token">
        <form onSubmit={create}>
          <div class="row">
            <Field label="Name">
              <input required value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
            </Field>
            <Field label="Topics and patterns, or else all">
              <input value={topics} onInput={({ currentTarget }) => setTopics(currentTarget.value)} />
            </Field>
          </div>
          <fieldset class="row">
            <legend>May</legend>
            {actions.map((action) => (
              <label key={action}>
                <input
                  type="checkbox"
                  checked={chosen.includes(action)}
                  onChange={() => setChosen(chosen.includes(action) ? chosen.filter((each) => each !== action) : [...chosen, action])}
                />{' '}
                {action}
              </label>
            ))}
          </fieldset>
          <button class="first" type="submit">
            Make
          </button>
        </form>
        <Failure error={error} />
        {made?.secret != null && (
          <p class="notice" role="status">
            The token of {made.name}, shown only now: <code>{made.secret}</code>
          </p>
        )}
      </Card>
      <Card title="Tokens">
        <Failure error={tokens.error} />
        <Table
          label="Tokens"
          columns={[
            { name: 'Name', cell: (token) => token.name },
            { name: 'Id', cell: ({ id }) => <code>{id}</code> },
            { name: 'May', cell: (token) => token.actions.join(', ') },
            { name: 'Topics', cell: (token) => token.topics.join(', ') },
            { name: 'Made', cell: ({ createdAt }) => time(createdAt) },
            { name: 'Ends', cell: ({ expiresAt }) => (expiresAt === null ? 'never' : time(expiresAt)) },
            {
              name: 'Actions',
              cell: (token) => (
                <span class="actions">
                  <button
                    type="button"
                    aria-label={`Revoke ${token.name}`}
                    onClick={() =>
                      confirm(`Revoke ${token.name}? Its clients are refused from then on.`) &&
                      void act(() => gateway.rest.call('delete', '/v1/tokens/{id}', { path: { id: token.id } }))
                    }
                  >
                    Revoke
                  </button>
                </span>
              ),
            },
          ]}
          rows={tokens.value?.items}
          keyOf={({ id }) => id}
          none="There are no tokens: programs on this host need none."
        />
      </Card>
    </>
  )
}

export function AuditLog() {
  const [after, setAfter] = useState<string>()
  const entries = usePoll(
    () => gateway.rest.call('get', '/v1/audit', { query: { limit: 100, ...(after === undefined ? {} : { after }) } }),
    10_000,
    after,
  )
  const next = entries.value?.next
  return (
    <Card title="Audit log">
      <Failure error={entries.error} />
      <Table
        label="Audit log"
        columns={[
          { name: 'Time', cell: ({ at }) => time(at) },
          { name: 'Who', cell: ({ actor }) => <code>{actor}</code> },
          { name: 'What', cell: ({ act }) => act },
          { name: 'Detail', cell: ({ detail }) => <code>{JSON.stringify(detail)}</code> },
        ]}
        rows={entries.value?.items}
        keyOf={({ id }) => id}
        none="Nothing was changed yet."
      />
      <div class="row">
        {after !== undefined && (
          <button type="button" onClick={() => setAfter(undefined)}>
            First page
          </button>
        )}
        {next != null && (
          <button type="button" onClick={() => setAfter(next)}>
            Next page
          </button>
        )}
      </div>
    </Card>
  )
}
