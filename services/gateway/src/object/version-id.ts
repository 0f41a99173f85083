import type { VersionId } from '@coffer/metadata-store'

export { newVersionId } from '@coffer/object-record'

/** Whether a client's version id has our form; one that has not names no version. */
export function isVersionId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text)
}

/** Version id as clients see it. */
export function externalVersionId(version: { readonly versionId: VersionId; readonly isNull: boolean }): string {
  return version.isNull ? 'null' : version.versionId
}
