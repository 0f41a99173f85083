import type { MeshRole } from './roles.ts'

/** What any program may need of the system that it runs on. */
const SYSTEM =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TERM|HOSTNAME|NODE_\w+|SSL_CERT_(FILE|DIR)|OPENSSL_\w+|LD_LIBRARY_PATH|XDG_\w+)$/
/** How to reach other machines; an address in it may hold a password. */
const PROXIES = /^(https?|no|all)_proxy$/i
const REACH_OUT: readonly MeshRole[] = ['iam', 'gateway', 'rotation', 'events']
const OURS = /^COFFER_/
/** Settings of ours that only some need; all others go to everybody. */
const OWNED: readonly (readonly [RegExp, readonly MeshRole[]])[] = [
  [/^COFFER_ROOT_KEY(_\w+)?$/, ['kms']],
  [/^COFFER_KMS_FILE$/, ['kms']],
  [/^COFFER_ROOT_(SECRET_ACCESS_KEY|ACCESS_KEY_ID|CREDENTIALS_FILE)$/, ['iam']],
  [/^COFFER_METADATA_\w+$/, ['metadata']],
  [/^COFFER_REDIS_\w+$/, ['rotation']],
  [/^COFFER_BLOBS_FILE$/, ['gateway', 'rotation']],
]
/** The AWS SDK's own chain of credentials, where object data is at an S3 endpoint. */
const AWS = /^AWS_/

/**
 * The environment of a process of the mesh out of that of the command: what its role needs, so that who takes over one service finds
 * no credentials of another. The KMS service gets all but what is another's: connectors look for credentials in variables
 * of their clouds (AWS_, AZURE_, GOOGLE_) and in those that its file names.
 */
export function environmentOf(role: MeshRole, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const keepsBlobsElsewhere = environment.COFFER_BLOBS_FILE !== undefined
  const isFor = (name: string): boolean => {
    const owners = OWNED.find(([pattern]) => pattern.test(name))?.[1]
    if (owners !== undefined) return owners.includes(role)
    if (role === 'kms' || OURS.test(name) || SYSTEM.test(name)) return true
    if (PROXIES.test(name)) return REACH_OUT.includes(role)
    return AWS.test(name) && keepsBlobsElsewhere && (role === 'gateway' || role === 'rotation')
  }
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isFor(name)))
}

/** That of a program which knows nothing of us. */
export function systemEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => SYSTEM.test(name)))
}
