import type { KeyUsage } from '@coffer/contracts'
import type { Quota, Usage } from '@coffer/metadata-store'
import Table from 'cli-table3'
import { sizeText } from './quantities.ts'

/** What a bucket or an account holds, and may hold. */
export interface NamedUsage {
  readonly name: string
  readonly usage: Usage
  readonly quota: Quota | undefined
  /** Of an account. */
  readonly keys?: KeyUsage
}

export function renderUsage(kind: 'bucket' | 'account', rows: readonly NamedUsage[]): string {
  const ofAccounts = kind === 'account'
  const head = [
    kind,
    'versions',
    'delete markers',
    'bytes',
    'of parts',
    ...(ofAccounts ? ['master keys', 'aliases'] : []),
    'quota',
  ]
  const table = new Table({ head, style: { head: [], border: [], compact: true } })
  for (const { name, usage, quota, keys } of rows) {
    const { versionCount, deleteMarkerCount, sizeBytes, partSizeBytes } = usage
    const counted = [name, versionCount, deleteMarkerCount, sizeText(sizeBytes), sizeText(partSizeBytes)]
    const ofKeys = keys
      ? [`${keys.keyCount} of ${keys.keyCountMax}`, `${keys.aliasCount} of ${keys.aliasCountMax}`]
      : []
    table.push([...counted, ...ofKeys, quotaText(quota)])
  }
  return table.toString()
}

export function quotaText(quota: Quota | undefined): string {
  const { sizeBytesMax, versionCountMax } = quota ?? {}
  const limits = [
    ...(sizeBytesMax === undefined ? [] : [sizeText(sizeBytesMax)]),
    ...(versionCountMax === undefined ? [] : [`${versionCountMax} versions`]),
  ]
  return limits.length === 0 ? 'none' : limits.join(', ')
}
