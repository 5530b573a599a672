import { breaks } from '../patch.ts'

export const portMapping = [
  ...breaks(
    'src/engine/port-mapping/pcp.ts',
    ['test/engine/port-mapping/pcp.test.ts'],
    [
      ['an answer with another nonce is taken', 'isAnswer(answer) && answer.subarray(', 'isAnswer(answer) || answer.subarray('],
      ['all ports of a node have one nonce', '`PCP ${transport} ${ip} ${port}`', '`PCP ${ip}`'],
      ['the nonce can be told by others', "createHmac('sha256', secret)", "createHmac('sha256', '')"],
      ['a refusal counts as an answer', 'if (result !== 0)', 'if (result < 0)'],
      ['port 0 is a port', 'if (port === 0)', 'if (port < 0)'],
      ['a request counts as its answer', 'answer[1] === operation + answerBit', 'answer.length > 0'],
    ],
  ),
  ...breaks(
    'src/engine/port-mapping/epoch.ts',
    ['test/engine/port-mapping/epoch.test.ts'],
    [
      ['a clock that went back tells nothing', 'if (there + 1 < before.there) return true', ''],
      ['a clock that ran ahead tells nothing', 'passedHere + 2 < passedThere - passedThere / 16 || ', ''],
      ['a clock that stood still tells nothing', ' || passedThere + 2 < passedHere - passedHere / 16', ''],
    ],
  ),
  ...breaks(
    'src/engine/port-mapping/port-mapper.ts',
    ['test/engine/port-mapping/port-mapper.test.ts'],
    [
      ['a short lease runs out', 'renewAt = Math.min(renewAt, now() + (seconds * 1_000) / 2)', ''],
      ['a port with a private address outside is kept', 'if (isUsable(ip)) return', 'if (ip) return'],
      ['a router that was restarted is not asked again', '(isRestarted || now() >= renewAt)', 'now() >= renewAt'],
      ['any number of ports is asked for', '.slice(0, maxPorts)', ''],
    ],
  ),
]
