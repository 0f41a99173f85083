import { type LookupAddress, lookup } from 'node:dns'
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net'
import { webIdentityError } from './errors.ts'

/**
 * Where a server may go for what strangers name. Whoever may register a provider would otherwise make this server ask machines that only
 * it can reach (server-side request forgery): hosts that the operator has listed are asked wherever they are, others only at
 * addresses of the public internet. Names are looked at as they are resolved for the connection, not before, so that a name
 * which resolves otherwise the next time (DNS rebinding) gains nothing.
 */
export class AddressGuard {
  readonly #listed: ReadonlySet<string>

  /** Host names without ports. None: every issuer may be asked that is at a public address. */
  constructor(listed: readonly string[]) {
    this.#listed = new Set(listed.map((host) => host.toLowerCase()))
  }

  /** Whether issuers of this host are asked at all. Hosts that an issuer itself names, for its keys, need not be listed. */
  isIssuerAllowed({ hostname }: URL): boolean {
    return this.#listed.size === 0 || this.#listed.has(hostname)
  }

  /** WEB_IDENTITY_PROVIDER_REFUSED where the host is an address that is not to be asked; names are looked at by `lookup`. */
  assertAllowed(url: URL): void {
    const address = url.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(address) > 0 && !this.#listed.has(url.hostname) && !isPublic(address)) throw refused()
  }

  /** For connections. */
  readonly lookup: LookupFunction = (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, [])
      const allowed = this.#listed.has(hostname.toLowerCase())
        ? addresses
        : addresses.filter(({ address }) => isPublic(address))
      const [first] = allowed
      if (first === undefined) return done(refused() as NodeJS.ErrnoException, [])
      if (options.all) return done(null, allowed as LookupAddress[])
      return done(null, first.address, first.family)
    })
  }
}

function refused(): Error {
  return webIdentityError('WEB_IDENTITY_PROVIDER_REFUSED')
}

/** IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), multicast, and what translates to IPv4 (RFC 6052, RFC 3056). */
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
const GLOBAL_IPV6 = '2000::/3'
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const specialIpv4 = listOf(SPECIAL_IPV4, 'ipv4')
const globalIpv6 = listOf([GLOBAL_IPV6], 'ipv6')
const specialIpv6 = listOf(SPECIAL_IPV6, 'ipv6')

/** Whether everybody on the internet can be at this address: not this machine, its network, or its cloud's own services. */
export function isPublic(address: string): boolean {
  if (isIPv4(address)) return !specialIpv4.check(address, 'ipv4')
  return globalIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6')
}

function listOf(subnets: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = '', prefix] = subnet.split('/')
    list.addSubnet(network, Number(prefix), family)
  }
  return list
}
