/** Something of each peer, made when it is first asked for; of the last so many, so that peers that come and go leave nothing behind. */
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
