/**
 * Gossip topics, three for the whole cluster whatever the number of lanes and tenants, so that the set
 * of allowed topics is known when the host starts and a subscription costs a peer nothing to refuse:
 *
 *   /flotilla/1/<cluster id>/entries   freshly committed journal entries, whole
 *   /flotilla/1/<cluster id>/heads     what a node has of every feed, for those who missed entries
 *   /flotilla/1/<cluster id>/hello     a node is up: version, frontier, load
 */
export interface Topics {
  readonly entries: string
  readonly heads: string
  readonly hello: string
}

/** @param clusterId SHA-256 of the genesis, hexadecimal */
export function topicsOf(clusterId: string): Topics {
  const under = `/flotilla/1/${clusterId}`
  return { entries: `${under}/entries`, heads: `${under}/heads`, hello: `${under}/hello` }
}
