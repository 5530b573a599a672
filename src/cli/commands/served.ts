import type { Command } from 'commander'
import { connect } from '../globals.ts'
import { listed } from '../listed.ts'

export function addServices(program: Command): void {
  program
    .command('services')
    .description('list the services that clients of the gateway provide')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const rows = await listed(remote, (query) => remote.call('get', '/v1/services', { query }))
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          SERVICE: ({ service }) => service,
          PROVIDERS: ({ providers }) => providers,
          OPEN: ({ open, concurrency }) => `${open} of ${concurrency}`,
          WAITING: ({ waiting }) => waiting,
          REQUESTS: ({ requests }) => requests,
          ANSWERS: ({ answers }) => answers,
          FAILURES: ({ failures }) => failures,
          SINCE: ({ since }) => since,
        })
      }
    })
}

export function addValidators(program: Command): void {
  program
    .command('validators')
    .description('list the topics whose messages clients of the gateway judge')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const rows = await listed(remote, (query) => remote.call('get', '/v1/validators', { query }))
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          TOPIC: ({ topic }) => topic,
          VALIDATORS: ({ validators }) => validators,
          DEADLINE: ({ deadlineMs }) => `${deadlineMs} ms`,
          DEFAULT: (row) => row.default,
          OPEN: ({ open }) => open,
          ACCEPTED: ({ accepted }) => accepted,
          IGNORED: ({ ignored }) => ignored,
          REJECTED: ({ rejected }) => rejected,
          LATE: ({ late }) => late,
          SINCE: ({ since }) => since,
        })
      }
    })
}
