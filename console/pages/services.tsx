import { gateway, type Schemas, usePoll } from '../gateway.ts'
import { Card, Listing } from '../parts.tsx'
import { duration, number, time } from '../words.ts'

type Service = Schemas['ServiceView']
type Validator = Schemas['ValidatorView']

/** What clients of this gateway do for others. */
export function Services() {
  const services = usePoll(() => gateway.rest.call('get', '/v1/services', { query: { limit: 500 } }), 5_000)
  const validators = usePoll(() => gateway.rest.call('get', '/v1/validators', { query: { limit: 500 } }), 5_000)
  return (
    <>
      <Card title="Services">
        <Listing
          label="Services"
          list={services}
          columns={[
            { name: 'Service', cell: ({ service }: Service) => service },
            { name: 'Providers', cell: ({ providers }) => number(providers), number: true },
            { name: 'Busy', cell: ({ open, concurrency }) => `${number(open)} of ${number(concurrency)}`, number: true },
            { name: 'Waiting', cell: ({ waiting }) => number(waiting), number: true },
            { name: 'Requests', cell: ({ requests }) => number(requests), number: true },
            { name: 'Answered', cell: ({ answers }) => number(answers), number: true },
            { name: 'Failed', cell: ({ failures }) => number(failures), number: true },
            { name: 'Since', cell: ({ since }) => time(since) },
          ]}
          keyOf={({ service }) => service}
          none="No client of this gateway provides a service."
        />
      </Card>
      <Card title="Validators">
        <Listing
          label="Validators"
          list={validators}
          columns={[
            { name: 'Topic', cell: ({ topic }: Validator) => topic },
            { name: 'Validators', cell: ({ validators: count }) => number(count), number: true },
            { name: 'Without a verdict', cell: (each) => `${each.default} after ${duration(each.deadlineMs)}` },
            { name: 'Open', cell: ({ open }) => number(open), number: true },
            { name: 'Accepted', cell: ({ accepted }) => number(accepted), number: true },
            { name: 'Ignored', cell: ({ ignored }) => number(ignored), number: true },
            { name: 'Rejected', cell: ({ rejected }) => number(rejected), number: true },
            { name: 'Late', cell: ({ late }) => number(late), number: true },
            { name: 'Since', cell: ({ since }) => time(since) },
          ]}
          keyOf={({ topic }) => topic}
          none="No client of this gateway judges messages."
        />
      </Card>
    </>
  )
}
