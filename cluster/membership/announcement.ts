import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { NodeFacts } from '../../src/journal/rows.ts'
import type { NodeSettings } from '../../src/registry/collective.ts'
import type { NodeId } from '../network/network.ts'

/** Where the listeners really are, ports chosen by the system included. */
export interface Bound {
  readonly clusterPort: number
  readonly swarmPort: number
}

/**
 * What a node tells the others of itself.
 * @param interfaces this machine's addresses, for a node that listens on all of them
 */
export function factsOf(
  settings: NodeSettings & { readonly sealKey: string },
  self: NodeId,
  bound: Bound,
  url: string | null,
  interfaces: readonly string[] = machineAddresses(),
): NodeFacts {
  const hosts = settings.announce.length > 0 ? settings.announce : hostsOf(settings.host, interfaces)
  return {
    name: settings.name,
    site: settings.site,
    tokenKey: settings.tokenKey,
    sealKey: settings.sealKey,
    url,
    addresses: hosts.map((host) => multiaddrOf(host, bound.clusterPort, self)),
    swarm: hosts.map((host) => swarmAddressOf(host, bound.swarmPort)),
  }
}

/** What `isIP` says, as multiaddrs call it. */
const FAMILY: Readonly<Record<number, string>> = { 4: 'ip4', 6: 'ip6' }

/** `host`, `host:port`, `[v6]:port` or a whole multiaddr, as an operator may announce it. */
export function multiaddrOf(announced: string, defaultPort: number, self: NodeId): string {
  if (announced.startsWith('/')) return announced.includes('/p2p/') ? announced : `${announced}/p2p/${self}`
  const { host, port } = split(announced)
  return `/${FAMILY[isIP(host)] ?? 'dns'}/${host}/tcp/${port ?? defaultPort}/p2p/${self}`
}

/** The swarm's listener stands beside the cluster's: same host, its own port. */
function swarmAddressOf(announced: string, port: number): string {
  const host = announced.startsWith('/') ? (announced.split('/')[2] ?? '') : split(announced).host
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

function split(announced: string): { host: string; port?: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(announced)
  const host = match?.[1] ?? match?.[2] ?? announced
  return match?.[3] === undefined ? { host } : { host, port: Number(match[3]) }
}

/** A listener on every interface is reached by the machine's addresses, not by 0.0.0.0. */
function hostsOf(host: string, interfaces: readonly string[]): readonly string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host]
  return interfaces.length > 0 ? interfaces : ['127.0.0.1']
}

/** Addresses other machines may reach this one by; link-local ones need a zone nobody else knows. */
function machineAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => address)
    .slice(0, 8)
}

/** The TCP port of the first of these multiaddresses. */
export function portOf(addresses: readonly string[]): number | undefined {
  const match = /\/tcp\/(\d+)/.exec(addresses[0] ?? '')
  return match ? Number(match[1]) : undefined
}
