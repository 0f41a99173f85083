import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** Above 10080, which browsers and `fetch` refuse (Fetch standard, "port blocking"). */
const PORT_MIN = 11_000
const given = new Set<number>()

/**
 * A port of 127.0.0.1 that nothing listened on a moment ago, and that is given to nobody else by this process. Not one of those
 * that the kernel gives to outgoing connections: one of them may take it before the server does, or while the server restarts.
 */
export async function freePort(): Promise<number> {
  const portMax = firstEphemeralPort() - 1
  if (portMax <= PORT_MIN) return (await listenOnce(0)) ?? 0
  for (;;) {
    const port = randomInt(PORT_MIN, portMax)
    if (given.has(port) || (await listenOnce(port)) === undefined) continue
    given.add(port)
    return port
  }
}

/** Of Linux: /proc/sys/net/ipv4/ip_local_port_range. Elsewhere the range of IANA (RFC 6335, section 6). */
function firstEphemeralPort(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/)[0])
  } catch {
    return 49_152
  }
}

/** The port, when it could be listened on. */
async function listenOnce(port: number): Promise<number | undefined> {
  const probe = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject)
      probe.listen(port, '127.0.0.1', resolve)
    })
    const address = probe.address()
    return typeof address === 'object' ? address?.port : undefined
  } catch {
    return undefined
  } finally {
    await new Promise((resolve) => probe.close(resolve))
  }
}
