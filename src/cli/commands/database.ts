import type { Command } from 'commander'
import { outputOf } from '../globals.ts'

/**
 * Backs up a SQLite database while its gateway runs, restores a backup, migrates a database, verifies its checksums, and
 * starts a new epoch, which makes all earlier cursors invalid.
 */
export function addDatabase(program: Command): void {
  const database = program
    .command('database')
    .description("this machine's database (configured as for start): back up, restore, migrate, check")
  database
    .command('backup')
    .description('copy the SQLite database, while the gateway runs')
    .argument('<file>')
    .action(async (file: string, _options: object, command: Command) => outputOf(command).line(await (await local()).backUp(file)))
  database
    .command('restore')
    .description('replace the SQLite database by a copy and start a new epoch; the gateway must be stopped')
    .argument('<file>')
    .action(async (file: string, _options: object, command: Command) => outputOf(command).line(await (await local()).restore(file)))
  database
    .command('migrate')
    .description('migrate the schema, for gateways that run with PEERGATE_MIGRATE=false')
    .action(async (_options: object, command: Command) => outputOf(command).line(await (await local()).migrate()))
  database
    .command('check')
    .description('verify the checksums of all messages, while the gateway runs (exit code 2: messages are damaged, 3: the file is)')
    .option('--repair', 'remove damaged messages, so that peers can supply them')
    .action(async ({ repair = false }: { repair?: boolean }, command: Command) => {
      const { report, told, exitCode } = await (await local()).checkDatabase(repair)
      const output = outputOf(command)
      if (output.isJson) output.json(report)
      else for (const line of told) output.line(line)
      process.exitCode = exitCode
    })
  database
    .command('new-epoch')
    .description('start a new epoch, after PostgreSQL was restored by its own tools; the gateways must be stopped')
    .action(async (_options: object, command: Command) => outputOf(command).line(await (await local()).newEpoch()))
}

/** The parts of a gateway that do it, which other commands need not load. */
const local = () => import('../local/database.ts')
