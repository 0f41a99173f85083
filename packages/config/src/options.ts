import { BACK_END_OPTIONS } from './back-end-options.ts'
import type { Optional, OptionDeclaration, WithDefault } from './declaration.ts'
import {
  commandLine,
  domainNames,
  type HostPort,
  hostPort,
  integer,
  oneOf,
  onOff,
  secretText,
  text,
  type ValueKind,
} from './values.ts'

const file = text('a path')

export const OPTIONS = {
  dataDir: {
    value: text('a path'),
    environment: 'COFFER_DATA_DIR',
    flag: 'data-dir',
    flagValue: 'path',
    default: './data',
    text: 'The data directory: everything Coffer keeps.',
  } satisfies WithDefault<string>,
  address: {
    value: hostPort(),
    environment: 'COFFER_ADDRESS',
    flag: 'address',
    flagValue: 'host:port',
    default: '127.0.0.1:9000',
    text: 'Where the server listens.',
  } satisfies WithDefault<HostPort>,
  rootAccessKeyId: {
    value: text('3 to 128 letters, digits or _', /^\w{3,128}$/),
    environment: 'COFFER_ROOT_ACCESS_KEY_ID',
    text: 'Access key id of the root account. With rootSecretAccessKey it replaces the generated one.',
  } satisfies Optional<string>,
  rootSecretAccessKey: {
    value: secretText('8 to 128 printable ASCII characters', /^[\x21-\x7e]{8,128}$/),
    environment: 'COFFER_ROOT_SECRET_ACCESS_KEY',
    secret: true,
    text: 'Secret access key of the root account.',
  } satisfies Optional<unknown>,
  rootKey: {
    value: secretText('32 bytes in base64', /^[A-Za-z0-9+/]{43}=$/),
    environment: 'COFFER_ROOT_KEY',
    inFile: false,
    secret: true,
    text: 'The root key, which seals the master keys. Comes before rootKeyFile and rootKeyCommand.',
  } satisfies Optional<unknown>,
  rootKeyFile: {
    value: file,
    environment: 'COFFER_ROOT_KEY_FILE',
    flag: 'root-key-file',
    flagValue: 'path',
    text: 'A file with the root key: 32 bytes in base64.',
  } satisfies Optional<string>,
  rootKeyCommand: {
    value: commandLine(),
    environment: 'COFFER_ROOT_KEY_COMMAND',
    flag: 'root-key-command',
    flagValue: 'command',
    text: 'A program that prints the root key: 32 bytes in base64. Run without a shell at each start.',
  } satisfies Optional<readonly string[]>,
  blobsFile: {
    value: file,
    environment: 'COFFER_BLOBS_FILE',
    flag: 'blobs-file',
    flagValue: 'path',
    text: 'A file (YAML or JSON) that names the S3 endpoint where object data is kept (docs/s3-back-end.md). Absent: the data directory.',
  } satisfies Optional<string>,
  kmsFile: {
    value: file,
    environment: 'COFFER_KMS_FILE',
    flag: 'kms-file',
    flagValue: 'path',
    text: 'A file (YAML or JSON) that configures KMS connectors beside the built-in one, and which is the default (docs/kms).',
  } satisfies Optional<string>,
  eventsFile: {
    value: file,
    environment: 'COFFER_EVENTS_FILE',
    flag: 'events-file',
    flagValue: 'path',
    text: 'A file (YAML or JSON) that configures the targets of event notifications (docs/events.md).',
  } satisfies Optional<string>,
  identitiesFile: {
    value: file,
    environment: 'COFFER_IDENTITIES_FILE',
    flag: 'identities-file',
    flagValue: 'path',
    text: 'A file (YAML or JSON) that says which client certificates become which roles or users (docs/sts.md).',
  } satisfies Optional<string>,
  workers: {
    value: integer({ min: 1, max: 256 }),
    environment: 'COFFER_WORKERS',
    flag: 'workers',
    flagValue: 'count',
    defaultText: 'one for each core',
    text: 'Processes that serve requests.',
  } satisfies Optional<number>,
  allowHttp: {
    value: onOff(),
    environment: 'COFFER_ALLOW_HTTP',
    flag: 'allow-http',
    default: 'off',
    text: 'Answer plain HTTP too, on the same port. Customer keys (SSE-C) are refused there.',
  } satisfies WithDefault<boolean>,
  tlsMinVersion: {
    value: oneOf(['TLSv1.2', 'TLSv1.3']),
    environment: 'COFFER_TLS_MIN_VERSION',
    flag: 'tls-min-version',
    flagValue: 'version',
    default: 'TLSv1.2',
    text: 'The oldest TLS that clients may speak.',
  } satisfies WithDefault<'TLSv1.2' | 'TLSv1.3'>,
  tlsCiphers: {
    value: text('OpenSSL cipher names, separated by colons', /^[A-Za-z0-9_!+@=:-]{1,2000}$/),
    environment: 'COFFER_TLS_CIPHERS',
    flag: 'tls-ciphers',
    flagValue: 'names',
    defaultText: "Node's",
    text: 'Cipher suites that the listener agrees to, those of TLS 1.3 included.',
  } satisfies Optional<string>,
  tlsCurves: {
    value: text('OpenSSL group names, separated by colons', /^[A-Za-z0-9_:?*/-]{1,500}$/),
    environment: 'COFFER_TLS_CURVES',
    flag: 'tls-curves',
    flagValue: 'names',
    defaultText: "OpenSSL's, which begins with the post-quantum hybrid X25519MLKEM768",
    text: 'Groups that keys are agreed in.',
  } satisfies Optional<string>,
  clientCertificates: {
    value: oneOf(['off', 'optional', 'required']),
    environment: 'COFFER_CLIENT_CERTIFICATES',
    flag: 'client-certificates',
    flagValue: 'off|optional|required',
    default: 'off',
    text: 'Whether clients are asked for a certificate (mTLS), and let in without one. Requests are signed all the same (docs/tls.md).',
  } satisfies WithDefault<'off' | 'optional' | 'required'>,
  clientCaFile: {
    value: file,
    environment: 'COFFER_CLIENT_CA_FILE',
    flag: 'client-ca-file',
    flagValue: 'path',
    defaultText: 'certs/CAs in the data directory',
    text: "Authorities that clients' certificates come from, PEM.",
  } satisfies Optional<string>,
  clientCrlFile: {
    value: file,
    environment: 'COFFER_CLIENT_CRL_FILE',
    flag: 'client-crl-file',
    flagValue: 'path',
    text: 'Revocation lists of those authorities, PEM; one of each in a chain. Certificates are refused when a list has expired.',
  } satisfies Optional<string>,
  region: {
    value: text('a region name', /^[a-z0-9-]{1,63}$/),
    environment: 'COFFER_REGION',
    flag: 'region',
    flagValue: 'name',
    default: 'us-east-1',
    text: 'The region that clients sign for.',
  } satisfies WithDefault<string>,
  domains: {
    value: domainNames(),
    environment: 'COFFER_DOMAINS',
    flag: 'domains',
    flagValue: 'names',
    default: 'localhost',
    text: 'Base domains of virtual-host style requests: with s3.example.org, photos.s3.example.org is the bucket photos.',
  } satisfies WithDefault<readonly string[]>,
  dataAlgorithm: {
    value: oneOf(['auto', 'AES-256-GCM', 'CHACHA20-POLY1305']),
    environment: 'COFFER_DATA_ALGORITHM',
    flag: 'data-algorithm',
    flagValue: 'name',
    default: 'auto',
    text: 'Cipher for new objects. auto: AES-256-GCM where the processor has AES instructions or FIPS is on.',
  } satisfies WithDefault<'auto' | 'AES-256-GCM' | 'CHACHA20-POLY1305'>,
  fips: {
    value: onOff(),
    environment: 'COFFER_FIPS',
    flag: 'fips',
    default: 'off',
    text: 'Start only with a FIPS provider of OpenSSL loaded, and use nothing but what it approves of (docs/fips.md).',
  } satisfies WithDefault<boolean>,
  blockedEncryptionTypes: {
    value: oneOf(['none', 'SSE-C']),
    environment: 'COFFER_BLOCKED_ENCRYPTION_TYPES',
    flag: 'blocked-encryption-types',
    flagValue: 'types',
    default: 'none',
    text: "What new buckets refuse (BlockedEncryptionTypes). SSE-C: writes with customers' keys, until PutBucketEncryption allows them. Buckets that are there keep what they have.",
  } satisfies WithDefault<'none' | 'SSE-C'>,
  publicAccess: {
    value: oneOf(['blocked', 'allowed']),
    environment: 'COFFER_PUBLIC_ACCESS',
    flag: 'public-access',
    flagValue: 'blocked|allowed',
    default: 'blocked',
    text: 'What new buckets say to public policies: blocked, as with AWS, until PutPublicAccessBlock or DeletePublicAccessBlock allows them. Buckets that are there keep what they have.',
  } satisfies WithDefault<'blocked' | 'allowed'>,
  audit: {
    value: oneOf(['off', 'changes', 'all']),
    environment: 'COFFER_AUDIT',
    flag: 'audit',
    flagValue: 'off|changes|all',
    default: 'changes',
    text: 'What the audit trail keeps (docs/audit.md): requests that change buckets, keys or identities, or every request.',
  } satisfies WithDefault<'off' | 'changes' | 'all'>,
  auditFile: {
    value: file,
    environment: 'COFFER_AUDIT_FILE',
    flag: 'audit-file',
    flagValue: 'path',
    text: 'A file (YAML or JSON) that says where the audit trail goes, and what becomes of requests while it takes no records (docs/audit.md).',
  } satisfies Optional<string>,
  objectOwnership: {
    value: oneOf(['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter']),
    environment: 'COFFER_OBJECT_OWNERSHIP',
    flag: 'object-ownership',
    flagValue: 'ownership',
    default: 'BucketOwnerEnforced',
    text: "Whose objects in new buckets are: with BucketOwnerEnforced, as with AWS, their bucket's owner's, and access control lists are off; with the others lists count. Buckets that are there keep what they have.",
  } satisfies WithDefault<'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'>,
  signatureVersion2: {
    value: oneOf(['refused', 'allowed']),
    environment: 'COFFER_SIGNATURE_VERSION_2',
    flag: 'signature-version-2',
    flagValue: 'refused|allowed',
    default: 'refused',
    text: 'Requests signed with Signature Version 2, for clients that know no other: HMAC-SHA1 under the long-term secret, without the body, the region or most headers. Refused, as in the newer regions of AWS, unless allowed.',
  } satisfies WithDefault<'refused' | 'allowed'>,
  websiteDomains: {
    value: domainNames(),
    environment: 'COFFER_WEBSITE_DOMAINS',
    flag: 'website-domains',
    flagValue: 'names',
    default: '',
    text: 'Base domains of static websites: with sites.example.org, photos.sites.example.org is the website of the bucket photos (docs/website.md).',
  } satisfies WithDefault<readonly string[]>,
  accessLogSeconds: {
    value: integer({ min: 1, max: 86_400 }),
    environment: 'COFFER_ACCESS_LOG_SECONDS',
    flag: 'access-log-seconds',
    flagValue: 'seconds',
    default: '300',
    unit: 'seconds',
    text: 'How often the access logs of buckets (PutBucketLogging) are delivered. What waits in a process that is killed is lost.',
  } satisfies WithDefault<number>,
  rateLimitPerAddress: {
    value: integer({ min: 0, max: 1_000_000 }),
    environment: 'COFFER_RATE_LIMIT_PER_ADDRESS',
    flag: 'rate-limit-per-address',
    flagValue: 'count',
    default: '0',
    unit: 'requests/s',
    text: 'What each worker answers to one client address (IPv6: one /64) before SlowDown (503). 0: no limit.',
  } satisfies WithDefault<number>,
  rateLimitPerAccessKey: {
    value: integer({ min: 0, max: 1_000_000 }),
    environment: 'COFFER_RATE_LIMIT_PER_ACCESS_KEY',
    flag: 'rate-limit-per-access-key',
    flagValue: 'count',
    default: '0',
    unit: 'requests/s',
    text: 'What each worker answers to one access key before SlowDown (503). 0: no limit.',
  } satisfies WithDefault<number>,
  failedSignaturesPerMinute: {
    value: integer({ min: 0, max: 1_000_000 }),
    environment: 'COFFER_FAILED_SIGNATURES_PER_MINUTE',
    flag: 'failed-signatures-per-minute',
    flagValue: 'count',
    default: '300',
    text: 'Wrong signatures and unknown access keys of one client address that each worker answers at once; further ones get a late SlowDown (503). 0: no limit.',
  } satisfies WithDefault<number>,
  inlineSizeBytesMax: {
    value: integer({ min: 0, max: 1_048_576 }),
    environment: 'COFFER_INLINE_SIZE_BYTES_MAX',
    flag: 'inline-size-bytes-max',
    flagValue: 'bytes',
    default: '131072',
    unit: 'bytes',
    text: 'Objects up to this size are kept beside their metadata, larger ones as files.',
  } satisfies WithDefault<number>,
  logLevel: {
    value: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    environment: 'COFFER_LOG_LEVEL',
    flag: 'log-level',
    flagValue: 'level',
    default: 'info',
    text: 'What is worth a line in the log.',
  } satisfies WithDefault<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'>,
  logFormat: {
    value: oneOf(['text', 'json']),
    environment: 'COFFER_LOG_FORMAT',
    flag: 'log-format',
    flagValue: 'format',
    default: 'text',
    text: 'Log lines for people or for programs. They go to standard error.',
  } satisfies WithDefault<'text' | 'json'>,
  healthAddress: {
    value: hostPort(),
    environment: 'COFFER_HEALTH_ADDRESS',
    flag: 'health-address',
    flagValue: 'host:port',
    text: 'Where this process tells whether it lives and is ready (GET /live, GET /ready) and its numbers for Prometheus (GET /metrics), over plain HTTP. Absent: nowhere, and nothing is counted.',
  } satisfies Optional<HostPort>,
  ...BACK_END_OPTIONS,
} as const

export type OptionName = keyof typeof OPTIONS

type ValueOf<D> = D extends { value: ValueKind<infer T> } ? (D extends { default: string } ? T : T | undefined) : never

/** Every option's value, typed as its declaration says. Undefined: neither set nor with a default. */
export type Configuration = { readonly [N in OptionName]: ValueOf<(typeof OPTIONS)[N]> }

/** The environment variable and flag (`--config`) that name a configuration file. */
export const CONFIG_FILE_VARIABLE = 'COFFER_CONFIG'

export function optionNames(): OptionName[] {
  return Object.keys(OPTIONS) as OptionName[]
}

export function declarationOf(name: OptionName): OptionDeclaration<unknown> {
  return OPTIONS[name]
}
