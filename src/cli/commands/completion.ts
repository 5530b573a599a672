import { Argument, type Command } from 'commander'
import { completionScript, shells } from '../completions.ts'
import { outputOf } from '../globals.ts'

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script that completes commands and options: source <(peergate completion bash)')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: (typeof shells)[number], _options: object, command: Command) => {
      outputOf(command).bytes(Buffer.from(completionScript(shell, program)))
    })
}
