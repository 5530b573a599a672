import { runCommand } from '../fixtures/run-command.ts'

/** Set to `true` by `run.ts` where the tests have one. */
export const aloneVariable = 'PEERGATE_INTEROP_ALONE'

/** Where hosts of the namespace's local network are. */
const localNetwork = '192.168.77.1/24'

/** A namespace with nothing in it but loopback and a local network of one host, by whose route multicast goes. */
const setUp = [
  'ip link set lo up',
  'ip link add lan0 type veth peer name lan1',
  `ip address add ${localNetwork} dev lan0`,
  'ip link set lan0 up',
  'ip link set lan1 up',
  'ip route add default dev lan0',
].join(' && ')

/** @returns the command that runs another in a network of its own, or undefined when this machine does not let us make one */
export async function ownNetwork(): Promise<string[] | undefined> {
  const command = ['unshare', '--net', 'sh', '-c', `${setUp} && exec "$@"`, 'sh']
  const [unshare = '', ...args] = [...command, 'true']
  return await runCommand(unshare, args).then(
    () => command,
    () => undefined,
  )
}
