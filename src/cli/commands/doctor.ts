import type { Command } from 'commander'
import { z } from 'zod'
import { judgeNode } from '../../gateway/diagnosis/node.ts'
import type { Finding } from '../../model/finding.ts'
import { nodeSchema } from '../../model/node.ts'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed } from '../failures.ts'
import { connect } from '../globals.ts'
import type { Remote } from '../remote.ts'

const readinessSchema = z.object({ status: z.string(), reason: z.string().optional() })

const signs = { ok: 'ok', warning: 'warning', problem: 'PROBLEM' } as const

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('find what would stop a gateway on this machine (configured as for start), and what the one that runs lacks')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const ofGateway = await askGateway(remote)
      const { examine } = await import('../local/doctor.ts')
      const findings = [...(await examine(ofGateway.now)), ...ofGateway.findings]
      if (output.isJson) for (const finding of findings) output.json(finding)
      else {
        output.table(findings, {
          CHECK: ({ check }) => check,
          STATE: ({ state }) => signs[state],
          FOUND: ({ detail }) => detail,
          FIX: ({ fix }) => fix ?? '',
        })
      }
      const problems = findings.filter(({ state }) => state === 'problem').length
      if (problems > 0) throw new CommandFailed(`${problems} of ${findings.length} checks found a problem.`, exitCodes.failure)
    })
}

/** What a gateway says of itself, and its time. */
async function askGateway(remote: Remote): Promise<{ findings: Finding[]; now?: number }> {
  try {
    const node = await remote.call('GET', '/v1/node', nodeSchema)
    return { findings: [await readiness(remote.url), ...judgeNode(node)], now: Date.parse(node.startedAt) + node.uptimeMs }
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    return { findings: withoutAnswer(remote.url, error) }
  }
}

/** A gateway that is not ready answers with the reason, and not with a problem document. */
async function readiness(url: string): Promise<Finding> {
  const { status, reason } = readinessSchema.parse(await (await fetch(`${url}/readyz`)).json())
  if (status === 'ok') return { check: 'gateway', state: 'ok', detail: `A gateway answers at ${url}.` }
  const detail = `The gateway at ${url} is not ready: ${reason ?? 'it starts or stops, or its database does not answer'}.`
  return { check: 'gateway', state: 'problem', detail, fix: 'See the log of the gateway.' }
}

function withoutAnswer(url: string, error: CommandFailed): Finding[] {
  if (error.exitCode === exitCodes.unavailable) {
    return [{ check: 'gateway', state: 'ok', detail: `No gateway runs at ${url}, so its reachability is not known.` }]
  }
  if (error.exitCode === exitCodes.refused) {
    const fix = 'Give a token that may read: --token or PEERGATE_TOKEN.'
    return [{ check: 'gateway', state: 'warning', detail: `The gateway at ${url} tells nothing: ${error.message}`, fix }]
  }
  return [{ check: 'gateway', state: 'problem', detail: error.message, fix: 'See the log of the gateway.' }]
}
