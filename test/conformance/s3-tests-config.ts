/** An account as `coffer account create --json` prints it. */
export interface TestAccount {
  readonly account: { readonly accountId: string; readonly name: string; readonly canonicalId: string }
  readonly accessKey: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** The accounts that s3-tests acts as. Coffer has accounts, not tenants or users: each is an account of its own. */
export const ACCOUNT_NAMES = ['main', 'alt', 'tenant', 'iam', 'iam-root', 'iam-alt-root'] as const

export type TestAccounts = Readonly<Record<(typeof ACCOUNT_NAMES)[number], TestAccount>>

/**
 * Who is `alt` in the tests of users, roles and sessions: there it is a user of the account `iam`, in the others an account of its own.
 */
export interface TestUser {
  readonly name: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Of an OpenID Connect provider: what its section `webidentity` says. */
export interface TestTokens {
  /** The provider's address without its scheme. */
  readonly realm: string
  readonly audience: string
  readonly subject: string
  readonly token: string
  /** With session tags. */
  readonly taggedToken: string
}

export interface ConfigTarget {
  readonly port: number
  readonly altUser?: TestUser
  readonly tokens?: TestTokens
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
    section('s3 alt', target.altUser === undefined ? fieldsOf(accounts.alt) : fieldsOfUser(target.altUser)),
    section('s3 tenant', { ...fieldsOf(accounts.tenant), tenant: accounts.tenant.account.accountId }),
    section('iam', fieldsOf(accounts.iam)),
    section('iam root', { ...fieldsOf(accounts['iam-root']), user_id: accounts['iam-root'].account.accountId }),
    section('iam alt root', {
      ...fieldsOf(accounts['iam-alt-root']),
      user_id: accounts['iam-alt-root'].account.accountId,
    }),
    ...(target.tokens === undefined ? [] : [section('webidentity', fieldsOfTokens(target.tokens))]),
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

function fieldsOfUser({ name, accessKeyId, secretAccessKey }: TestUser): Readonly<Record<string, string>> {
  return {
    display_name: name,
    user_id: name,
    email: `${name}@example.com`,
    access_key: accessKeyId,
    secret_key: secretAccessKey,
  }
}

function fieldsOfTokens(tokens: TestTokens): Readonly<Record<string, string>> {
  const { realm, audience, subject, token, taggedToken } = tokens
  return {
    thumbprint: '0'.repeat(40),
    aud: audience,
    sub: subject,
    azp: audience,
    token,
    user_token: taggedToken,
    KC_REALM: realm,
  }
}

function section(name: string, fields: Readonly<Record<string, string | number>>): string {
  return [`[${name}]`, ...Object.entries(fields).map(([field, value]) => `${field} = ${value}`), ''].join('\n')
}
