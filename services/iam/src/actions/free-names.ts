import type { Directory } from '../directory.ts'
import type { NamedEntity } from '../entities.ts'
import { refusal } from '../errors.ts'

/** EntityAlreadyExists: another one has the name, regardless of case. */
export function assertFree(
  kind: NamedEntity['kind'],
  directory: Directory,
  accountId: string,
  name: string,
  own?: NamedEntity,
): void {
  const holder = directory.named(kind, accountId, name) as NamedEntity | undefined
  if (holder === undefined || holder.id === own?.id) return
  const title = kind === 'policy' ? 'A policy called' : `${kind.charAt(0).toUpperCase()}${kind.slice(1)} with name`
  throw refusal('IAM_ENTITY_EXISTS', `${title} ${name} already exists.`)
}
