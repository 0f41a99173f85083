import { isCofferError } from '@coffer/errors'
import type { IdentityDirectory, Person } from '@coffer/identity-directory'
import { z } from 'zod'
import { arn } from '../actions/fields.ts'
import { refusal } from '../errors.ts'
import { durationSeconds, sessionName, sessionPolicies } from './fields.ts'
import { type Proven, sessionOfProven } from './proven-identity.ts'
import { type StsAction, stsAction } from './sts-call.ts'

/** What trust policies name as Federated: whoever this server's directory knows. */
const PROVIDER = 'ldap.coffer'
const PASSWORD = 'LDAPPassword'
/** MinIO, "AssumeRoleWithLDAPIdentity". */
const CHARACTERS_MAX = 2_048

/**
 * Credentials for who has a right password in the operator's directory (MinIO, "AssumeRoleWithLDAPIdentity"). Not signed: the password is
 * the proof. A wrong one and a name that nobody has are one error.
 */
export const ASSUME_ROLE_WITH_LDAP_IDENTITY: StsAction = stsAction(
  'AssumeRoleWithLDAPIdentity',
  false,
  z.strictObject({
    LDAPUsername: z.string().min(1).max(CHARACTERS_MAX),
    // Clients of MinIO send neither: rules say who becomes what.
    RoleArn: arn.optional(),
    RoleSessionName: sessionName.optional(),
    DurationSeconds: durationSeconds.optional(),
    ...sessionPolicies,
  }),
  async ({ LDAPUsername, ...input }, call) => {
    const password = call.secret(PASSWORD)
    const { directory } = call.identities
    if (directory === undefined) throw refusal('IAM_VALIDATION_ERROR', 'This server has no directory of users.')
    const person = await personWith(directory.people, LDAPUsername, password)
    if (person === undefined) throw refusal('IAM_LOGIN_REFUSED', 'The user name or the password is not right.')
    return await sessionOfProven(call, provenBy(person), directory.rules, input)
  },
)

/** IAM_DIRECTORY_UNAVAILABLE. */
async function personWith(people: IdentityDirectory, username: string, password: string): Promise<Person | undefined> {
  try {
    return await people.authenticate(username, password)
  } catch (error) {
    // Why is for the operator's log: whoever asks is nobody known.
    if (isCofferError(error)) throw refusal('IAM_DIRECTORY_UNAVAILABLE', 'The directory of users cannot be asked now.')
    throw error
  }
}

function provenBy({ username, id, groups }: Person): Proven {
  return {
    action: 'sts:AssumeRoleWithLDAPIdentity',
    provider: PROVIDER,
    name: username,
    values: { 'ldap:username': [username], 'ldap:user': [id], 'ldap:groups': groups },
    kept: { 'ldap:username': username, 'ldap:user': id },
  }
}
