import type { KeyAlias, KeyGrant, KeyOwner, KeySettings, KeyUse, LocatedKey, RewrapReport } from '@coffer/contracts'
import Table from 'cli-table3'

export function renderKeys(keys: readonly LocatedKey[], ownerName: (owner: KeyOwner) => string): string {
  const table = tableOf(['key', 'account', 'state', 'newest version', 'created', 'deletion'])
  for (const { connector, keyId, state, currentVersion, createdAt, deletionAt, ...owner } of keys) {
    const deletion = deletionAt === undefined ? '' : dateOf(deletionAt)
    table.push([`${connector}/${keyId}`, ownerName(owner), state, currentVersion, dateOf(createdAt), deletion])
  }
  return table.toString()
}

export function renderAliases(aliases: readonly KeyAlias[]): string {
  const table = tableOf(['alias', 'key', 'since'])
  for (const { alias, connector, keyId, updatedAt } of aliases) {
    table.push([alias, `${connector}/${keyId}`, dateOf(updatedAt)])
  }
  return table.toString()
}

/** A block for each: ids and ARNs are longer than the columns of a table. */
export function renderGrants(grants: readonly KeyGrant[]): string {
  if (grants.length === 0) return 'There are no grants.'
  return grants
    .map(({ grantId, name, operations, constraints = {}, createdAt, ...grant }) =>
      [
        `${grantId}${name === undefined ? '' : ` (${name})`}`,
        `  to:       ${namedBy(grant.granteePrincipal, grant.granteeId)}`,
        `  permits:  ${operations.join(', ')}`,
        ...Object.entries(constraints).map(([kind, pairs]) => `  where:    ${kind} ${JSON.stringify(pairs)}`),
        ...(grant.retiringPrincipal === undefined
          ? []
          : [`  retires:  ${namedBy(grant.retiringPrincipal, grant.retiringId)}`]),
        `  since:    ${dateOf(createdAt)}`,
      ].join('\n'),
    )
    .join('\n')
}

/** As it was granted, and who that was. */
function namedBy(arn: string, uniqueId: string | undefined): string {
  return uniqueId === undefined ? arn : `${arn} (${uniqueId})`
}

/** What Coffer keeps of a key beside its KMS: a line for each that there is. */
export function renderSettings(aliases: readonly KeyAlias[], { description, tags, rotation }: KeySettings): string[] {
  return [
    ...(description === '' ? [] : [`description: ${description}`]),
    ...(aliases.length === 0 ? [] : [`aliases: ${aliases.map(({ alias }) => alias).join(', ')}`]),
    ...(tags.length === 0 ? [] : [`tags: ${tags.map(({ key, value }) => `${key}=${value}`).join(', ')}`]),
    rotation === undefined
      ? 'rotation: when it is asked for'
      : `rotation: every ${rotation.periodDays} days, next ${dateOf(rotation.nextAt)}`,
  ]
}

export function renderKey(key: LocatedKey): string {
  const table = tableOf(['version', 'created', ''])
  for (const { version, createdAt } of key.versions) {
    table.push([
      version,
      dateOf(createdAt),
      version === key.currentVersion ? 'seals what is new' : 'opens what it sealed',
    ])
  }
  const until = key.deletionAt === undefined ? '' : ` until ${dateOf(key.deletionAt)}`
  return `Key ${key.connector}/${key.keyId}: ${key.state}${until}\n${table.toString()}`
}

export function renderUse({ connector, keyId, versions }: KeyUse): string {
  if (versions.length === 0) return `Nothing needs key ${connector}/${keyId}.`
  const table = tableOf(['version', 'objects', 'bucket keys', 'buckets (metadata)', 'identities'])
  for (const { version, objectCount, bucketKeyCount, bucketCount, wrapsIdentities } of versions) {
    table.push([version, objectCount, bucketKeyCount, bucketCount, wrapsIdentities ? 'yes' : ''])
  }
  return `Key ${connector}/${keyId}\n${table.toString()}`
}

export function renderRewrap(report: RewrapReport): string {
  const seconds = ((report.endedAt - report.startedAt) / 1000).toFixed(1)
  const lines = [
    `${report.from} to ${report.to}, version ${report.toVersion}${report.dryRun ? ' (dry run: nothing was changed)' : `, in ${seconds} s`}`,
    `${report.bucketKeyCount} bucket keys rewrapped, which seal ${report.objectCount} objects`,
    `${report.bucketCount} metadata keys rewrapped`,
    ...(report.identitiesRewrapped ? ['the key of the identity records rewrapped'] : []),
    ...(report.directObjectCount > 0
      ? [`${report.directObjectCount} objects without a bucket key rewrapped, each by itself`]
      : []),
    ...report.failures.map(({ what, code }) => `failed: ${what}: ${code}`),
  ]
  return lines.join('\n')
}

function tableOf(head: string[]) {
  return new Table({ head, style: { head: [], border: [], compact: true } })
}

function dateOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
