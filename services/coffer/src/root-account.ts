import type { AccessKey, IamService } from '@coffer/contracts'
import { makeRootCredentials, readRootCredentials, rootCredentialsPath } from './root-credentials.ts'

export interface RootCredentials {
  /** Where people find the access key: a path, or the variables that gave it. Undefined: only they know. */
  readonly path?: string
  readonly accessKeyId?: string
  /** Made just now, and to be shown once. */
  readonly made?: AccessKey
}

/**
 * Gives the root account its access key: the configured one, else that of the credentials file, which is made at the very
 * first start. A store whose root account exists keeps the key that it has.
 */
export async function ensureRootAccount(
  iam: Pick<IamService, 'ensureRootAccount' | 'hasRootAccount'>,
  configured: AccessKey | undefined,
  secretsDirectory: string,
): Promise<RootCredentials> {
  if (configured) {
    await iam.ensureRootAccount(configured)
    return { accessKeyId: configured.accessKeyId }
  }
  const path = rootCredentialsPath(secretsDirectory)
  const kept = await readRootCredentials(path)
  if (kept) {
    await iam.ensureRootAccount(kept)
    return { path, accessKeyId: kept.accessKeyId }
  }
  if (await iam.hasRootAccount()) return {}
  const made = await makeRootCredentials(path)
  await iam.ensureRootAccount(made)
  return { path, accessKeyId: made.accessKeyId, made }
}

/** Secrets that were read from the environment leave it, so that no child process inherits them. */
export function forgetSecretVariables(environment: NodeJS.ProcessEnv): void {
  delete environment.COFFER_ROOT_KEY
  delete environment.COFFER_ROOT_SECRET_ACCESS_KEY
}
