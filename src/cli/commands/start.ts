import { loadEnvFile } from 'node:process'
import type { Command } from 'commander'
import { keepNewSpaceSmall } from '../../lib/new-space.ts'

export function addStart(program: Command): void {
  program
    .command('start')
    .description('start a gateway, configured by the environment; docs/operations.md lists the variables')
    .option('--env-file <file>', 'read variables from a file; those of the environment win')
    .action(async ({ envFile }: { envFile?: string }) => {
      if (envFile !== undefined) loadEnvFile(envFile)
      keepNewSpaceSmall()
      const { runGateway } = await import('../local/gateway.ts')
      await runGateway()
    })
}
