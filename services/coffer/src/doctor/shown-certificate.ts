import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect, type PeerCertificate } from 'node:tls'
import { type Finding, problem, warning } from './finding.ts'

const TIMEOUT_MS = 5_000
const DAY_MS = 86_400_000
/** As of the server's own certificates: time to have it renewed. */
const SOON_DAYS = 21

/**
 * What another server's certificate has to be told of: nothing, where it is good for a while. Whether it is trusted is for who uses it to
 * say: here it is only looked at.
 */
export async function checkShownCertificate(
  about: string,
  { hostname, port }: { readonly hostname: string; readonly port: number },
  nowMs: number,
): Promise<Finding[]> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  // Nothing is sent to it, and nothing is believed of it.
  const socket = connect({ host, port, rejectUnauthorized: false, ...(isIP(host) === 0 && { servername: host }) })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return endOf(about, socket.getPeerCertificate(), nowMs)
  } catch {
    // Who asks it properly has told by then that it cannot be reached.
    return []
  } finally {
    socket.on('error', () => {}).destroy()
  }
}

function endOf(about: string, { valid_to: validTo }: PeerCertificate, nowMs: number): Finding[] {
  const endsAtMs = Date.parse(validTo ?? '')
  if (Number.isNaN(endsAtMs)) return []
  if (endsAtMs < nowMs) return [problem('identity-certificate-expired', about, `its certificate expired on ${validTo}`)]
  const days = Math.floor((endsAtMs - nowMs) / DAY_MS)
  if (days >= SOON_DAYS) return []
  return [
    warning('identity-certificate-expires-soon', about, `its certificate expires in ${days} days: have it renewed`),
  ]
}
