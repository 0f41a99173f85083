import type { KeyOwner } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import { cofferError } from '../errors.ts'

/** The account whose keys and aliases name no owner. */
const FIRST_ACCOUNT_NAME = 'root'

/** By id or name. COFFER_ACCOUNT_NOT_FOUND. */
export async function accountIdOf(mesh: Mesh, idOrName: string): Promise<string> {
  return (await accountOf(mesh, idOrName)).accountId
}

/** Whose a key or alias is to be; without a name the first account. COFFER_ACCOUNT_NOT_FOUND. */
export async function keyOwnerOf(mesh: Mesh, idOrName: string | undefined): Promise<KeyOwner> {
  if (idOrName === undefined) return {}
  const { accountId, name } = await accountOf(mesh, idOrName)
  return name === FIRST_ACCOUNT_NAME ? {} : { ownerAccountId: accountId }
}

/** The names of all accounts, for who is shown whose keys are. */
export async function ownerNames(mesh: Mesh): Promise<(owner: KeyOwner) => string> {
  const names = new Map((await mesh.use('iam').listAccounts()).map(({ accountId, name }) => [accountId, name]))
  return ({ ownerAccountId }) => {
    if (ownerAccountId === undefined) return FIRST_ACCOUNT_NAME
    return names.get(ownerAccountId) ?? ownerAccountId
  }
}

async function accountOf(mesh: Mesh, idOrName: string) {
  const accounts = await mesh.use('iam').listAccounts()
  const account = accounts.find(({ accountId, name }) => accountId === idOrName || name === idOrName)
  if (account === undefined) throw cofferError('COFFER_ACCOUNT_NOT_FOUND', `there is no account ${idOrName}`)
  return account
}
