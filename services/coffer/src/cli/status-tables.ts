import Table from 'cli-table3'
import type { ConnectorRow, ProcessRow, StatusReport } from '../status/status-report.ts'
import { durationText, sizeText } from './quantities.ts'

/** The parts that there is something to say of, one below the other. */
export function renderStatus(report: StatusReport): string {
  const parts = [heading(report), findings(report), processes(report), stores(report), queues(report)]
  return [...parts, connectors(report), keys(report), events(report), replication(report), audit(report)]
    .filter((text) => text !== '')
    .join('\n')
}

function heading({ at, runs, isHealthy, findings: found }: StatusReport): string {
  const what = runs === 'mesh' ? 'The mesh' : 'The server'
  const warnings = found.length === 0 ? '' : ', with warnings'
  return `${what} ${isHealthy ? `is healthy${warnings}` : 'has problems'} (${dateOf(at)})`
}

function findings({ findings: found }: StatusReport): string {
  if (found.length === 0) return ''
  const rows = found.map(({ level, code, about, text }) => [level, code, about, text])
  return tableOf(['', 'what', 'about', ''], rows)
}

function processes({ processes: all }: StatusReport): string {
  if (all.length === 0) return ''
  const rows = all.map((process) => [
    process.service,
    process.instance,
    process.host,
    process.version,
    process.uptimeMs === 0 ? '' : durationText(process.uptimeMs),
    stateOf(process),
    `${durationText(process.silentMs)} ago`,
  ])
  return tableOf(['process', 'instance', 'host', 'version', 'up', 'health', 'heard'], rows)
}

function stateOf({ isReady, isGone, waitingFor }: ProcessRow): string {
  if (isGone) return 'gone'
  return isReady ? 'ready' : `waits for ${waitingFor.join(', ')}`
}

function stores({ metadata, blobStores }: StatusReport): string {
  const rows = [
    ...(metadata ? [['metadata', metadata.driver, '', metadata.failure ?? 'there', spaceOf(metadata)]] : []),
    ...blobStores.map(({ store, kind, storageClasses, awayFor, failure, ...space }) => [
      store,
      kind,
      storageClasses.join(', '),
      awayFor.length === 0 ? 'there' : (failure ?? 'away for some'),
      spaceOf(space),
    ]),
  ]
  return rows.length === 0 ? '' : tableOf(['store', 'kind', 'classes', 'state', 'free'], rows)
}

function spaceOf({ freeBytes, sizeBytes }: { freeBytes?: number; sizeBytes?: number }): string {
  if (freeBytes === undefined || sizeBytes === undefined || sizeBytes === 0) return ''
  return `${sizeText(freeBytes)}, ${Math.round((100 * freeBytes) / sizeBytes)} %`
}

function queues({ jobs }: StatusReport): string {
  if (jobs === undefined) return ''
  const { byState, lagMs, scheduleCount } = jobs
  const { waiting, running, paused, completed, failed, cancelled } = byState
  return tableOf(
    ['jobs', 'waiting', 'running', 'paused', 'completed', 'failed', 'cancelled', 'lag', 'schedules'],
    [['', waiting, running, paused, completed, failed, cancelled, durationText(lagMs), scheduleCount]],
  )
}

function connectors({ connectors: all = [] }: StatusReport): string {
  if (all.length === 0) return ''
  const rows = all.map(({ connector, failure, circuit }) => {
    return [connector, failure ?? 'answers', circuitText(circuit)]
  })
  return tableOf(['kms', 'health', 'circuit'], rows)
}

function circuitText(circuit: ConnectorRow['circuit']): string {
  if (circuit === undefined) return ''
  const { open, halfOpen, of: all } = circuit
  if (open > 0) return `open in ${open} of ${all}`
  return halfOpen > 0 ? `half open in ${halfOpen} of ${all}` : 'closed'
}

function keys({ keys: all = [], keysArePartial = false }: StatusReport): string {
  if (all.length === 0) return ''
  const rows = all.map(({ connector, keyId, state, currentVersion, nextRotationAt, deletionAt, ...key }) => [
    `${connector}/${keyId}`,
    key.ownerAccountId ?? 'root',
    deletionAt === undefined ? state : `${state} until ${dateOf(deletionAt)}`,
    currentVersion,
    nextRotationAt === undefined ? '' : dateOf(nextRotationAt),
    key.olderObjectCount,
  ])
  const note = keysArePartial ? '\n(there are more than were looked at: coffer key list, coffer key usage)' : ''
  return `${tableOf(['key', 'account', 'state', 'version', 'next rotation', 'objects of older versions'], rows)}${note}`
}

function events({ events: all = [] }: StatusReport): string {
  if (all.length === 0) return ''
  const rows = all.map(({ target, waitingCount, lagMs, deadLetterCount, relay }) => [
    target,
    waitingCount,
    durationText(lagMs),
    deadLetterCount,
    relay?.failure?.reason ?? relay?.state ?? 'no relay yet',
  ])
  return tableOf(['event target', 'waiting', 'lag', 'dead letters', 'state'], rows)
}

function replication({ replication: all = [] }: StatusReport): string {
  if (all.length === 0) return ''
  const rows = all.map(({ destination, waitingCount, pendingBytes, lagMs }) => [
    destination,
    waitingCount,
    sizeText(pendingBytes),
    durationText(lagMs),
  ])
  return tableOf(['replication to', 'waiting', 'to be sent', 'lag'], rows)
}

function audit({ audit: total }: StatusReport): string {
  if (total === undefined) return ''
  const { mode, recordCount, waitingCount, droppedCount, stalledTargetCount } = total
  const state = stalledTargetCount === 0 ? 'goes on' : `${stalledTargetCount} targets take nothing`
  return tableOf(
    ['audit trail', 'records', 'waiting', 'dropped', 'state'],
    [[mode, recordCount, waitingCount, droppedCount, mode === 'off' ? '' : state]],
  )
}

function tableOf(head: string[], rows: readonly (readonly (string | number)[])[]): string {
  const table = new Table({ head, style: { head: [], border: [], compact: true } })
  for (const row of rows) table.push([...row])
  return table.toString()
}

function dateOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
