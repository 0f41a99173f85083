import { connect, createServer } from 'node:net'
import type { Configuration } from '@coffer/config'
import { type Finding, ok, problem, reasonOf } from './finding.ts'

const TIMEOUT_MS = 5_000
const NATS_PORT = 4222
const REDIS_PORT = 6379

/** Whether the port can be listened on, and what a mesh needs can be reached. Names and passwords are not tried. */
export async function checkReach(configuration: Configuration, isServerRunning: boolean): Promise<Finding[]> {
  const { natsUrl, redisUrl } = configuration
  const nats = natsUrl?.split(',').map((url) => checkConnection('nats', url.trim(), NATS_PORT)) ?? []
  const redis = redisUrl === undefined ? [] : [checkConnection('redis', redisUrl, REDIS_PORT)]
  return await Promise.all([checkPort(configuration, isServerRunning), ...nats, ...redis])
}

async function checkPort({ address }: Configuration, isServerRunning: boolean): Promise<Finding> {
  const { host, port } = address
  const about = `${host || '*'}:${port}`
  const server = createServer()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port, ...(host !== '' && { host }) }, resolve)
  try {
    await promise
    return ok('port', about, 'is free')
  } catch (error) {
    const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    if (isTaken && isServerRunning) return ok('port', about, 'is taken, and a server runs on this data directory')
    return problem('port-unavailable', about, `cannot be listened on: ${reasonOf(error)}`)
  } finally {
    server.close()
  }
}

async function checkConnection(code: 'nats' | 'redis', url: string, defaultPort: number): Promise<Finding> {
  const { hostname, port } = new URL(url)
  const about = `${hostname}:${port || defaultPort}`
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || defaultPort })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.setTimeout(TIMEOUT_MS, () => reject(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)))
  socket.once('connect', resolve).once('error', reject)
  try {
    await promise
    return ok(code, about, 'takes connections')
  } catch (error) {
    return problem(`${code}-unreachable`, about, reasonOf(error))
  } finally {
    socket.destroy()
  }
}
