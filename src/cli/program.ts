import { Command } from 'commander'
import { version } from '../version.ts'
import { addBench } from './commands/bench.ts'
import { addCompletion } from './commands/completion.ts'
import { addConsumers } from './commands/consumers.ts'
import { addContext } from './commands/context.ts'
import { addDatabase } from './commands/database.ts'
import { addDht } from './commands/dht.ts'
import { addDoctor } from './commands/doctor.ts'
import { addFollow } from './commands/follow.ts'
import { addHistory } from './commands/history.ts'
import { addNode } from './commands/node.ts'
import { addPeers } from './commands/peers.ts'
import { addPublish } from './commands/publish.ts'
import { addRequest, addSend } from './commands/send.ts'
import { addServices, addValidators } from './commands/served.ts'
import { addStart } from './commands/start.ts'
import { addToken } from './commands/token.ts'
import { addTop } from './commands/top.ts'
import { addTopics } from './commands/topics.ts'
import { addWebhooks } from './commands/webhooks.ts'
import { addServe, addValidate } from './commands/work.ts'

/** The command `peergate` with all that it can do. Its help, its completions and docs/command.md are made of it. */
export function createProgram(): Command {
  const program = new Command('peergate')
    .description('A gateway that connects any HTTP program to a peer-to-peer network.')
    .version(version)
    .option('--url <url>', 'where the gateway is (PEERGATE_URL; http://127.0.0.1:7070)')
    .option('--token <token>', 'a token for it (PEERGATE_TOKEN, which others on this machine do not see)')
    .option('--context <name>', 'a gateway that `peergate context add` has named')
    .option('--json', 'print JSON, one value on each line')
    .exitOverride()
    .showHelpAfterError()
    .helpCommand(true)
  for (const add of [
    addStart,
    addPublish,
    addFollow,
    addHistory,
    addSend,
    addRequest,
    addServe,
    addValidate,
    addConsumers,
    addWebhooks,
    addPeers,
    addTopics,
    addServices,
    addValidators,
    addNode,
    addDht,
    addToken,
    addDatabase,
    addDoctor,
    addTop,
    addBench,
    addContext,
    addCompletion,
  ])
    add(program)
  for (const group of program.commands) group.hook('preSubcommand', refuseUnknown)
  return program
}

/** Without it, a word that names no command of a group would be an argument too many of its default command. */
function refuseUnknown(group: Command, chosen: Command): void {
  const [word = '-'] = group.args
  if (word.startsWith('-') || chosen.name() === word || chosen.aliases().includes(word)) return
  group.error(`error: unknown command '${word}'`, { code: 'commander.unknownCommand' })
}
