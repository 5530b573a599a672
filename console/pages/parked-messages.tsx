import { useState } from 'preact/hooks'
import { gateway, type Schemas, useChanges, usePoll } from '../gateway.ts'
import { Failure, Pages } from '../parts.tsx'
import { useMay } from '../rights.ts'
import { plural } from '../words.ts'
import { MessageLine } from './message-line.tsx'

type Parked = Schemas['ParkedMessage']

const pageSize = 50

/** Messages that a consumer has set aside: to be read, delivered again or dropped. */
export function ParkedMessages({ consumer: name, changed }: { consumer: string; changed: () => void }) {
  const may = useMay()
  const [after, setAfter] = useState<string>()
  const parked = usePoll(
    () =>
      gateway.rest.call('get', '/v1/consumers/{name}/parked', {
        path: { name },
        query: { limit: pageSize, ...(after === undefined ? {} : { after }) },
      }),
    5_000,
    after,
  )
  const { act, error } = useChanges(() => {
    parked.again()
    changed()
  })
  const replay = (ids?: string[]) =>
    void act(() =>
      gateway.rest.call('post', '/v1/consumers/{name}/parked/replay', { path: { name }, body: ids === undefined ? {} : { ids } }),
    )
  const drop = (ids: string[]) =>
    confirm(`Drop ${plural(ids.length, 'message')}? The consumer never delivers them again. They stay in the log.`) &&
    void act(() => gateway.rest.call('post', '/v1/consumers/{name}/acks', { path: { name }, body: { ids, verdict: 'drop' } }))

  const items = parked.value?.items ?? []
  return (
    <section aria-label={`Parked messages of ${name}`}>
      <h3>Parked messages</h3>
      <Failure error={parked.error ?? error} />
      {parked.value !== undefined && items.length === 0 && <p class="faint">No message is parked.</p>}
      {may('consume') && items.length > 0 && (
        <p class="row">
          <button type="button" onClick={() => replay()}>
            Replay all
          </button>
          <button type="button" onClick={() => drop(items.map(({ id }) => id))}>
            Drop those shown
          </button>
        </p>
      )}
      <ul class="messages" aria-label="Parked messages, the oldest first">
        {items.map((item) => (
          <ParkedLine key={item.id} item={item} replay={replay} drop={drop} />
        ))}
      </ul>
      <Pages after={after} next={parked.value?.next} go={setAfter} />
    </section>
  )
}

function ParkedLine({ item, replay, drop }: { item: Parked; replay: (ids: string[]) => void; drop: (ids: string[]) => void }) {
  const may = useMay()
  const { id, attempts, message } = item
  const aside = (
    <span class="actions">
      <span class="faint">{plural(attempts, 'delivery', 'deliveries')}</span>
      {may('consume') && (
        <>
          <button type="button" aria-label={`Replay ${id}`} onClick={() => replay([id])}>
            Replay
          </button>
          <button type="button" aria-label={`Drop ${id}`} onClick={() => drop([id])}>
            Drop
          </button>
        </>
      )}
    </span>
  )
  if (message !== undefined) return <MessageLine message={message} form="auto" aside={aside} />
  return (
    <li class="message">
      <div class="line">
        <span>
          <code>{id}</code> is no longer in the log.
        </span>
        {aside}
      </div>
    </li>
  )
}
