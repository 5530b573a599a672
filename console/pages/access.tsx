import { useState } from 'preact/hooks'
import { gateway, type Schemas, useChanges, usePoll } from '../gateway.ts'
import { Card, Failure, Field, Listing, Pages, Table } from '../parts.tsx'
import { type Action, actions, useMay } from '../rights.ts'
import { patternsOf, time } from '../words.ts'

export function Tokens() {
  const may = useMay()
  const tokens = usePoll(() => gateway.rest.call('get', '/v1/tokens', { query: { limit: 500 } }), 10_000)
  const [name, setName] = useState('')
  const [topics, setTopics] = useState('')
  const [chosen, setChosen] = useState<Action[]>(['read'])
  const [made, setMade] = useState<Schemas['TokenWithSecret']>()
  const { act, error } = useChanges(() => tokens.again())

  function create(event: Event) {
    event.preventDefault()
    const patterns = patternsOf(topics)
    const body = { name, actions: chosen, topics: patterns.length === 0 ? ['>'] : patterns }
    void act(async () => setMade(await gateway.rest.call('post', '/v1/tokens', { body })))
  }

  return (
    <>
      <Card title="Tokens">
        <Listing
          label="Tokens"
          list={tokens}
          columns={[
            { name: 'Name', cell: (token) => token.name },
            { name: 'Id', cell: ({ id }) => <code class="whole">{id}</code> },
            { name: 'Allowed', cell: (token) => token.actions.join(', ') },
            { name: 'Topics', cell: (token) => token.topics.join(', ') },
            { name: 'Created', cell: ({ createdAt }) => time(createdAt) },
            { name: 'Last use', cell: ({ lastUsedAt }) => (lastUsedAt === null ? 'never' : time(lastUsedAt)) },
            { name: 'Expires', cell: ({ expiresAt }) => (expiresAt === null ? 'never' : time(expiresAt)) },
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
          keyOf={({ id }) => id}
          none="There are no tokens: programs on this host need none."
        />
      </Card>
      <Card title="Create a token">
        <form onSubmit={create}>
          <div class="row">
            <Field label="Name">
              <input required value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
            </Field>
            <Field label="Topics and patterns (empty: all)">
              <input value={topics} onInput={({ currentTarget }) => setTopics(currentTarget.value)} />
            </Field>
          </div>
          <fieldset class="row">
            <legend>Allowed actions</legend>
            {actions.filter(may).map((action) => (
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
            Create
          </button>
        </form>
        <Failure error={error} />
        {made?.secret != null && (
          <p class="notice" role="status">
            The token of {made.name}, shown only now: <code>{made.secret}</code>
          </p>
        )}
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
  return (
    <Card title="Audit log">
      <Failure error={entries.error} />
      <Table
        label="Audit log"
        columns={[
          { name: 'Time', cell: ({ at }) => <span class="whole">{time(at)}</span> },
          { name: 'Who', cell: ({ actor }) => <code class="whole">{actor}</code> },
          { name: 'What', cell: ({ act }) => act },
          { name: 'Detail', cell: ({ detail }) => <code class="sentence">{JSON.stringify(detail, leaveEmptyOut)}</code> },
        ]}
        rows={entries.value?.items}
        keyOf={({ id }) => id}
        none="Nothing was changed yet."
      />
      <Pages after={after} next={entries.value?.next} go={setAfter} />
    </Card>
  )
}

/** Most requests have no query, and many no parameters. */
function leaveEmptyOut(_name: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0 ? undefined : value
}
