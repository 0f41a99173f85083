import type { Directory } from './directory.ts'
import { arnOf, type Role, type User } from './entities.ts'

const ACCOUNT = /^\d{12}$/
const CANONICAL_ID = /^[0-9a-f]{64}$/
const UNIQUE_ID = /^((?:AIDA|AROA)[A-Z2-7]{17})(?::(.+))?$/
const ARN = /^arn:aws:(iam|sts)::(\d{12}):(root|user|role|assumed-role|federated-user)(?:\/(.+))?$/
const SESSION_NAME = /^[\w+=,.@-]{2,64}$/

/**
 * Who it is that a policy of a resource, or a grant, names: the unique id of a user or role, `AROA...:<session>` of a role's session. Accounts
 * (also by canonical id or root) and federated users have none and stay as they are written. Undefined: nobody.
 */
export function identifyPrincipal(directory: Directory, name: string): string | undefined {
  if (ACCOUNT.test(name)) return directory.account(name) && name
  if (CANONICAL_ID.test(name))
    return directory.accounts().some(({ canonicalId }) => canonicalId === name) ? name : undefined
  const [, uniqueId = '', ofSession] = UNIQUE_ID.exec(name) ?? []
  if (uniqueId !== '') {
    const kind = directory.identified(uniqueId)?.kind
    return kind === 'role' || (kind === 'user' && ofSession === undefined) ? name : undefined
  }
  const [, service, accountId = '', kind, path = ''] = ARN.exec(name) ?? []
  if (directory.account(accountId) === undefined) return undefined
  if (service === 'iam' && kind === 'root') return path === '' ? name : undefined
  if (service === 'iam' && (kind === 'user' || kind === 'role')) {
    const found: User | Role | undefined = directory.named(kind, accountId, path.slice(path.lastIndexOf('/') + 1))
    // Names are found regardless of case, but ARNs say them in one way.
    return found !== undefined && arnOf(found) === name ? found.id : undefined
  }
  if (service === 'sts' && kind === 'federated-user') return path === '' ? undefined : name
  if (service === 'sts' && kind === 'assumed-role') {
    const [roleName = '', session = '', ...more] = path.split('/')
    const role = directory.named('role', accountId, roleName)
    const isSession = role?.name === roleName && SESSION_NAME.test(session) && more.length === 0
    return isSession ? `${role.id}:${session}` : undefined
  }
  return undefined
}

/** The ARN that whom a unique id means has now. Undefined: they are gone. */
export function arnOfIdentified(directory: Directory, uniqueId: string): string | undefined {
  const [, id = '', session] = UNIQUE_ID.exec(uniqueId) ?? []
  const found = directory.identified(id)
  if (found === undefined || session === undefined) return found && arnOf(found)
  return found.kind === 'role' ? `arn:aws:sts::${found.accountId}:assumed-role/${found.name}/${session}` : undefined
}
