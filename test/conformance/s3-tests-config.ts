/** An account as `coffer account create --json` prints it. */
export interface TestAccount {
  readonly account: { readonly accountId: string; readonly name: string; readonly canonicalId: string }
  readonly accessKey: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** The accounts that s3-tests acts as. Coffer has accounts, not tenants or users: each is an account of its own. */
export const ACCOUNT_NAMES = ['main', 'alt', 'tenant', 'iam', 'iam-root', 'iam-alt-root'] as const

export type TestAccounts = Readonly<Record<(typeof ACCOUNT_NAMES)[number], TestAccount>>

export interface ConfigTarget {
  readonly port: number
  /** Two master keys for the SSE-KMS tests. */
  readonly kmsKeyIds: readonly [string, string]
}

/** How long s3-tests takes a "day" of a lifecycle rule to be; it sleeps for several of them. */
const LIFECYCLE_DAY_SECONDS = 2

/**
 * The configuration file of ceph/s3-tests (its s3tests.conf.SAMPLE says what each field is). Without `api_name`: us-east-1 has no
 * location constraint to compare with.
 */
export function renderS3TestsConfig(target: ConfigTarget, accounts: TestAccounts): string {
  const [kmsKeyId, secondKmsKeyId] = target.kmsKeyIds
  return [
    section('DEFAULT', { host: '127.0.0.1', port: target.port, is_secure: 'True', ssl_verify: 'False' }),
    section('fixtures', {
      'bucket prefix': 'conformance-{random}-',
      'iam name prefix': 's3-tests-',
      'iam path prefix': '/s3-tests/',
    }),
    section('s3 main', {
      ...fieldsOf(accounts.main),
      kms_keyid: kmsKeyId,
      kms_keyid2: secondKmsKeyId,
      lc_debug_interval: LIFECYCLE_DAY_SECONDS,
    }),
    section('s3 alt', fieldsOf(accounts.alt)),
    section('s3 tenant', { ...fieldsOf(accounts.tenant), tenant: accounts.tenant.account.accountId }),
    section('iam', fieldsOf(accounts.iam)),
    section('iam root', { ...fieldsOf(accounts['iam-root']), user_id: accounts['iam-root'].account.accountId }),
    section('iam alt root', {
      ...fieldsOf(accounts['iam-alt-root']),
      user_id: accounts['iam-alt-root'].account.accountId,
    }),
  ].join('\n')
}

function fieldsOf({ account, accessKey }: TestAccount): Readonly<Record<string, string>> {
  return {
    display_name: account.name,
    user_id: account.canonicalId,
    email: `${account.name}@example.com`,
    access_key: accessKey.accessKeyId,
    secret_key: accessKey.secretAccessKey,
  }
}

function section(name: string, fields: Readonly<Record<string, string | number>>): string {
  return [`[${name}]`, ...Object.entries(fields).map(([field, value]) => `${field} = ${value}`), ''].join('\n')
}
