import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Configuration } from '@coffer/config'
import type { ProcessStatus } from '@coffer/contracts'
import type { Mesh, MeshProcess } from '@coffer/mesh'
import { isRunning } from '../is-running.ts'
import type { ProcessRow } from './status-report.ts'
import { readStatusSocket } from './status-socket.ts'

const ANSWER_TIMEOUT_MS = 4_000

/** Commands that run beside this one are no part of what is looked after. */
const OPERATOR = 'operator.'

/** The processes of the mesh, or of the server on the data directory; none where none runs. */
export async function gatherProcesses(
  mesh: Mesh,
  configuration: Pick<Configuration, 'natsUrl' | 'dataDir'>,
): Promise<readonly ProcessRow[]> {
  if (configuration.natsUrl !== undefined) return await processesOfMesh(mesh)
  const statuses = await readStatusSocket(resolve(configuration.dataDir))
  if (statuses === undefined) return isRunning(configuration) ? [SILENT_SERVER] : []
  return statuses.map((status) => ({ ...status, silentMs: 0, isGone: false }))
}

/** One that holds the lock of the data directory, and has no socket there or does not answer. */
const SILENT_SERVER: ProcessRow = {
  service: 'supervisor',
  instance: 'supervisor',
  host: hostname(),
  version: '',
  uptimeMs: 0,
  isReady: false,
  waitingFor: ['an answer on its socket'],
  silentMs: 0,
  isGone: false,
}

async function processesOfMesh(mesh: Mesh): Promise<readonly ProcessRow[]> {
  const others = mesh.processes().filter(({ processId }) => !processId.startsWith(OPERATOR))
  const rows = await Promise.all(others.map((other) => rowOf(mesh, other)))
  return rows.toSorted((a, b) => (`${a.service} ${a.instance}` < `${b.service} ${b.instance}` ? -1 : 1))
}

async function rowOf(mesh: Mesh, { processId, host, isAvailable, silentMs }: MeshProcess): Promise<ProcessRow> {
  const status = isAvailable ? await askedInTime(mesh, processId) : undefined
  const isGone = !isAvailable
  if (status !== undefined) return { ...status, silentMs, isGone }
  // A node id begins with what the process is.
  const [service = processId] = processId.split('.', 1)
  const waitingFor = [isAvailable ? 'an answer' : 'gone']
  const unknown = { version: '', uptimeMs: 0, isReady: false, waitingFor }
  return { service, instance: processId, host, ...unknown, silentMs, isGone }
}

/** Undefined: it says nothing; it may be of a version before there was such a question. */
async function askedInTime(mesh: Mesh, processId: string): Promise<ProcessStatus | undefined> {
  const ended = new AbortController()
  const late = sleep(ANSWER_TIMEOUT_MS, undefined, { ref: false, signal: ended.signal }).catch(() => undefined)
  const asked = mesh.useAt('process', { processId }).status()
  return await Promise.race([asked.catch(() => undefined), late]).finally(() => ended.abort())
}
