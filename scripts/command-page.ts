import type { Command } from 'commander'
import { createProgram } from '../src/cli/program.ts'

/** docs/command.md: the help of each command, and what they have in common. */
export function commandPage(): string {
  const program = createProgram().configureHelp({ helpWidth: 120 })
  return `# The command \`peergate\`

\`npx peergate start\` runs a gateway; the other commands are clients of one, or work on this machine's database. In a
checkout, \`npm run peergate --\` stands for \`peergate\`.

- **Which gateway**: \`--url\` and \`--token\`, else \`PEERGATE_URL\` and \`PEERGATE_TOKEN\`, else the context in use, else
  \`http://127.0.0.1:7070\`. Others on a machine can see arguments, so a token is better in the environment or in a context.
  The token of a context goes to its own URL only.
- **Contexts** are in \`$XDG_CONFIG_HOME/peergate/contexts.json\` (\`~/.config\` without the variable), which only its owner
  can read.
- **What Node.js compiles** of the command and the gateway is kept in \`$XDG_CACHE_HOME/peergate\` (\`~/.cache\`), so that the
  next start is shorter. It may be deleted at any time. Without a directory that no other user can write to, and with
  \`NODE_DISABLE_COMPILE_CACHE=1\`, nothing is kept.
- **Output**: tables for people; without a terminal, lines with tabs between their values and no titles; with \`--json\`
  one JSON value on each line. On a terminal, control characters in what others have written are shown, not obeyed.
- **A gateway that is busy or not there** is tried again for a while by \`publish\`, \`send\` and \`history\`; a message is
  published once, however often it was tried.
- **\`follow --state FILE\`** goes on where it ended. It saves the position after each message: one that is killed
  (\`SIGKILL\`) just then prints this message again, one that is ended (\`SIGTERM\`, Ctrl-C) prints each once. With
  \`--exec\` a message counts when the command has succeeded.
- **\`consumers work\`** keeps a message while its program runs, through restarts of the gateway too. \`SIGTERM\` and Ctrl-C
  take no more messages, and wait for the programs that run (Ctrl-C ends these too); the second time they end the command
  at once. \`timeout 60 …\` bounds a program. Its environment has \`PEERGATE_MESSAGE_ID\`, \`_CURSOR\`, \`_TOPIC\`, \`_FROM\`
  and \`_ATTEMPT\`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | it failed: the message says why; \`doctor\` found a problem |
| 2, 3 | \`database check\`: messages are damaged, the file is damaged |
| 64 | the arguments are not those of the command |
| 69 | no gateway answers |
| 75 | the gateway is too busy, or its database is away: try later |
| 77 | the token is missing, wrong, or does not allow it |
| 78 | the configuration is wrong |

${program.commands.map((each) => sectionOf(each, 2)).join('\n')}`
}

function sectionOf(command: Command, level: number): string {
  const title = [...parentsOf(command), command.name()].join(' ')
  const help = command.configureHelp({ helpWidth: 120 }).helpInformation().trimEnd()
  const further = command.commands.map((each) => sectionOf(each, level + 1))
  return `${'#'.repeat(level)} ${title}\n\n\`\`\`text\n${help}\n\`\`\`\n${further.map((each) => `\n${each}`).join('')}`
}

function parentsOf(command: Command): string[] {
  return command.parent === null ? [] : [...parentsOf(command.parent), command.parent.name()]
}
