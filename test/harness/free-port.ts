import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** Above 10080, which browsers and `fetch` refuse (Fetch standard, "port blocking"). */
const PORT_MIN = 11_000
const HOST = '127.0.0.1'

/**
 * A port of 127.0.0.1 that nothing listened on a moment ago, and that no test of this machine is given while this process lives. Not one
 * of those that the kernel gives to outgoing connections: one of them may take it before the server does, or while the server restarts.
 */
export async function freePort(): Promise<number> {
  return await freeNeighbours(1)
}

/** The first of so many ports that follow each other. */
export async function freeNeighbours(count: number): Promise<number> {
  const portMax = firstEphemeralPort() - count
  if (portMax <= PORT_MIN && count === 1) return await anyPort()
  for (;;) {
    const first = randomInt(PORT_MIN, portMax)
    const ports = Array.from({ length: count }, (_, index) => first + index)
    const free = await Promise.all(ports.map(async (port) => (await reserve(port)) && (await isFree(port))))
    if (free.every(Boolean)) return first
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

/**
 * Whoever holds the UDP port of this number may use the TCP port of it: no server here uses UDP, and the kernel gives it back when this
 * process ends, however it does. Two files that run at the same time would otherwise find the same port free and both start a server on it.
 */
async function reserve(port: number): Promise<boolean> {
  const holder = createSocket('udp4').unref()
  try {
    holder.bind({ port, address: HOST, exclusive: true })
    await once(holder, 'listening')
    return true
  } catch {
    holder.close()
    return false
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, HOST)
  try {
    await once(probe, 'listening')
    return true
  } catch {
    return false
  } finally {
    await new Promise((resolve) => probe.close(resolve))
  }
}

/** Where the kernel's own are all there is. */
async function anyPort(): Promise<number> {
  const probe = createServer().listen(0, HOST)
  await once(probe, 'listening')
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}
