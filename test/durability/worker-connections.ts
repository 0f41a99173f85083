import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Agent } from 'node:https'
import { sendSigned } from '../harness/raw-request.ts'
import type { CofferServer } from '../harness/start-server.ts'

const CONNECTIONS_MAX = 200

/** The inode of the server's end of the connection that our end has this local port of. Source: proc(5), /proc/net/tcp. */
function socketInode(serverPort: number, clientPort: number): string | undefined {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readFileSync(file, 'utf8').split('\n'))
  for (const line of lines) {
    const [, local = '', remote = '', , , , , , , inode] = line.trim().split(/\s+/)
    if (local.endsWith(`:${hex(serverPort)}`) && remote.endsWith(`:${hex(clientPort)}`)) return inode
  }
  return undefined
}

/** The process that holds a socket. */
function ownerOf(inode: string): number | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        if (readlinkSync(`/proc/${pid}/fd/${descriptor}`) === `socket:[${inode}]`) return Number(pid)
      }
    } catch {
      // The process ended, or its descriptor closed, while we looked; or it is not ours.
    }
  }
  return undefined
}

/** One connection to each of `workers` different processes of the server. */
export async function connectionPerWorker(server: CofferServer, workers: number): Promise<Agent[]> {
  const byWorker = new Map<number, Agent>()
  for (let tries = 0; tries < CONNECTIONS_MAX && byWorker.size < workers; tries++) {
    const agent = new Agent({ ca: readFileSync(server.caFile), keepAlive: true, maxSockets: 1 })
    await sendSigned(server, { method: 'GET', path: '/', agent })
    // The socket is given back to its agent after the answer's end.
    await new Promise((resolve) => setImmediate(resolve))
    const clientPort = Object.values(agent.freeSockets)[0]?.[0]?.localPort ?? 0
    const inode = socketInode(server.port, clientPort)
    const worker = inode === undefined ? undefined : ownerOf(inode)
    if (worker === undefined || byWorker.has(worker)) agent.destroy()
    else byWorker.set(worker, agent)
  }
  if (byWorker.size < workers) throw new Error(`connections reached ${byWorker.size} of ${workers} workers`)
  return [...byWorker.values()]
}
