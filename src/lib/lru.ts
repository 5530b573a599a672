/** A value per peer, created on first use. Only the `max` most recently used are kept. */
export function createLru<Share>(init: { max: number }, make: () => Share): (peerId: string) => Share {
  const shares = new Map<string, Share>()
  return (peerId) => {
    const share = shares.get(peerId) ?? make()
    shares.delete(peerId)
    shares.set(peerId, share)
    const [oldest] = shares.keys()
    if (shares.size > init.max && oldest !== undefined) shares.delete(oldest)
    return share
  }
}
