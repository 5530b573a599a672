import { readFile } from 'node:fs/promises'

/** The routers of the default routes, which only Linux tells in files. Elsewhere UPnP finds routers. */

export async function defaultRouter(path = '/proc/net/route'): Promise<string | undefined> {
  for (const line of (await linesOf(path)).slice(1)) {
    const [, destination, router = ''] = line.split('\t')
    // Both are in the byte order of the machine: little endian wherever Node runs.
    if (destination === '00000000' && router !== '00000000' && /^[0-9A-F]{8}$/.test(router)) {
      return [...Buffer.from(router, 'hex')].reverse().join('.')
    }
  }
  return undefined
}

/** Link-local ones with their interface. */
export async function defaultRouter6(path = '/proc/net/ipv6_route'): Promise<string | undefined> {
  for (const line of await linesOf(path)) {
    const [destination = '', prefix, , , router = '', , , , , at = ''] = line.trim().split(/\s+/)
    if (!/^0{32}$/.test(destination) || prefix !== '00' || !/^[0-9a-f]{32}$/.test(router) || /^0{32}$/.test(router)) continue
    const ip = router.match(/.{4}/g)?.join(':') ?? ''
    return router.startsWith('fe80') ? `${ip}%${at}` : ip
  }
  return undefined
}

async function linesOf(path: string): Promise<string[]> {
  return await readFile(path, 'utf8').then(
    (text) => text.split('\n'),
    () => [],
  )
}
