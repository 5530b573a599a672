import type { Command } from 'commander'
import { z } from 'zod'
import { PeergateError } from '../../../clients/typescript/src/errors.ts'
import { judgeNode } from '../../gateway/diagnosis/node.ts'
import { type Finding, findingsSchema } from '../../model/finding.ts'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed, exitCodeOf, wordsOf } from '../failures.ts'
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
      const all = [...(await examine(ofGateway.now)), ...ofGateway.findings]
      // A gateway on this machine finds the same.
      const findings = all.filter(({ detail }, index) => all.findIndex((each) => each.detail === detail) === index)
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
    const node = await remote.call('get', '/v1/node')
    return {
      findings: [await readiness(remote.url), ...((await ownFindings(remote)) ?? judgeNode(node))],
      now: Date.parse(node.startedAt) + node.uptimeMs,
    }
  } catch (error) {
    if (!(error instanceof PeergateError)) throw error
    return { findings: withoutAnswer(remote.url, error) }
  }
}

/** What the gateway finds where it runs: what concerns it alone, and whatever is not fine. Undefined for tokens that may not ask. */
async function ownFindings(remote: Remote): Promise<Finding[] | undefined> {
  try {
    const { findings } = findingsSchema.parse(await remote.call('get', '/v1/node/findings'))
    return findings.filter(({ check, state }) => check === 'reachability' || state !== 'ok')
  } catch (error) {
    if (error instanceof PeergateError && error.code === 'forbidden') return undefined
    throw error
  }
}

/** A gateway that is not ready answers with the reason, and not with a problem document. */
async function readiness(url: string): Promise<Finding> {
  const { status, reason } = readinessSchema.parse(await (await fetch(`${url}/readyz`)).json())
  if (status === 'ok') return { check: 'gateway', state: 'ok', detail: `A gateway answers at ${url}.` }
  const detail = `The gateway at ${url} is not ready: ${reason ?? 'it starts or stops, or its database does not answer'}.`
  return { check: 'gateway', state: 'problem', detail, fix: 'See the log of the gateway.' }
}

function withoutAnswer(url: string, error: PeergateError): Finding[] {
  const exitCode = exitCodeOf(error)
  if (exitCode === exitCodes.unavailable) {
    return [{ check: 'gateway', state: 'ok', detail: `No gateway runs at ${url}, so its reachability is not known.` }]
  }
  if (exitCode === exitCodes.refused) {
    const fix = 'Give a token that may read: --token or PEERGATE_TOKEN.'
    return [{ check: 'gateway', state: 'warning', detail: `The gateway at ${url} tells nothing: ${wordsOf(error)}`, fix }]
  }
  return [{ check: 'gateway', state: 'problem', detail: wordsOf(error), fix: 'See the log of the gateway.' }]
}
