import type { Optional } from './declaration.ts'
import { text } from './values.ts'

const file = text('a path')

const database = text(
  'postgres://user@host:port/database, or postgres://user@localhost/database?host=/directory of a socket; optionally schema=name; the password apart',
  /^postgres(ql)?:\/\/[^:@/\s]+@[^@/\s]+\/[^\s]+$/,
)

/** What Coffer stands on where it is more than one machine: the metadata's server, NATS, Redis. */
export const BACK_END_OPTIONS = {
  metadataUrl: {
    value: database,
    environment: 'COFFER_METADATA_URL',
    flag: 'metadata-url',
    flagValue: 'url',
    text: 'The PostgreSQL database that holds the metadata (docs/postgresql.md). TLS, except on this machine. Absent: the data directory does.',
  } satisfies Optional<string>,
  metadataPasswordFile: {
    value: file,
    environment: 'COFFER_METADATA_PASSWORD_FILE',
    flag: 'metadata-password-file',
    flagValue: 'path',
    text: "A file with that user's password, read at each connection.",
  } satisfies Optional<string>,
  metadataCaFile: {
    value: file,
    environment: 'COFFER_METADATA_CA_FILE',
    flag: 'metadata-ca-file',
    flagValue: 'path',
    text: "Certificates that the PostgreSQL server's is checked against; with it TLS is used on this machine too.",
  } satisfies Optional<string>,
  metadataCertFile: {
    value: file,
    environment: 'COFFER_METADATA_CERT_FILE',
    flag: 'metadata-cert-file',
    flagValue: 'path',
    text: 'Client certificate for the PostgreSQL server.',
  } satisfies Optional<string>,
  metadataKeyFile: {
    value: file,
    environment: 'COFFER_METADATA_KEY_FILE',
    flag: 'metadata-key-file',
    flagValue: 'path',
    text: 'Private key of that certificate.',
  } satisfies Optional<string>,
  metadataNextUrl: {
    value: database,
    environment: 'COFFER_METADATA_NEXT_URL',
    flag: 'metadata-next-url',
    flagValue: 'url',
    text: 'The PostgreSQL database that the metadata is moved to from the other one: what `coffer migrate metadata` brings it into, and where each `coffer service metadata` goes on.',
  } satisfies Optional<string>,
  metadataNextPasswordFile: {
    value: file,
    environment: 'COFFER_METADATA_NEXT_PASSWORD_FILE',
    flag: 'metadata-next-password-file',
    flagValue: 'path',
    text: 'As metadataPasswordFile, of that database.',
  } satisfies Optional<string>,
  metadataNextCaFile: {
    value: file,
    environment: 'COFFER_METADATA_NEXT_CA_FILE',
    flag: 'metadata-next-ca-file',
    flagValue: 'path',
    text: 'As metadataCaFile, of that database.',
  } satisfies Optional<string>,
  metadataNextCertFile: {
    value: file,
    environment: 'COFFER_METADATA_NEXT_CERT_FILE',
    flag: 'metadata-next-cert-file',
    flagValue: 'path',
    text: 'As metadataCertFile, of that database.',
  } satisfies Optional<string>,
  metadataNextKeyFile: {
    value: file,
    environment: 'COFFER_METADATA_NEXT_KEY_FILE',
    flag: 'metadata-next-key-file',
    flagValue: 'path',
    text: 'As metadataKeyFile, of that database.',
  } satisfies Optional<string>,
  natsUrl: {
    value: text('nats://host:port or tls://host:port; several separated by commas'),
    environment: 'COFFER_NATS_URL',
    flag: 'nats',
    flagValue: 'url',
    text: 'The NATS server through which the services of a mesh find and call each other.',
  } satisfies Optional<string>,
  natsUser: {
    value: text('a user name'),
    environment: 'COFFER_NATS_USER',
    flag: 'nats-user',
    flagValue: 'name',
    text: 'User at the NATS server.',
  } satisfies Optional<string>,
  natsPasswordFile: {
    value: file,
    environment: 'COFFER_NATS_PASSWORD_FILE',
    flag: 'nats-password-file',
    flagValue: 'path',
    text: "A file with that user's password.",
  } satisfies Optional<string>,
  natsCredentialsFile: {
    value: file,
    environment: 'COFFER_NATS_CREDENTIALS_FILE',
    flag: 'nats-credentials-file',
    flagValue: 'path',
    text: 'A NATS credentials file (JWT and seed).',
  } satisfies Optional<string>,
  natsCaFile: {
    value: file,
    environment: 'COFFER_NATS_CA_FILE',
    flag: 'nats-ca-file',
    flagValue: 'path',
    text: "Certificates that the NATS server's is checked against.",
  } satisfies Optional<string>,
  natsCertFile: {
    value: file,
    environment: 'COFFER_NATS_CERT_FILE',
    flag: 'nats-cert-file',
    flagValue: 'path',
    text: 'Client certificate for the NATS server.',
  } satisfies Optional<string>,
  natsKeyFile: {
    value: file,
    environment: 'COFFER_NATS_KEY_FILE',
    flag: 'nats-key-file',
    flagValue: 'path',
    text: 'Private key of that certificate.',
  } satisfies Optional<string>,
  redisUrl: {
    value: text(
      'rediss://host:port (TLS), or redis:// on this machine; optionally /database; user and password apart',
      /^(rediss:\/\/[^@/\s]+|redis:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(\/\d{1,3})?$/,
    ),
    environment: 'COFFER_REDIS_URL',
    flag: 'redis',
    flagValue: 'url',
    text: 'In a mesh: the Redis server by which rotation services share jobs. Absent: the metadata store alone.',
  } satisfies Optional<string>,
  redisUser: {
    value: text('a user name'),
    environment: 'COFFER_REDIS_USER',
    flag: 'redis-user',
    flagValue: 'name',
    text: 'User at the Redis server.',
  } satisfies Optional<string>,
  redisPasswordFile: {
    value: file,
    environment: 'COFFER_REDIS_PASSWORD_FILE',
    flag: 'redis-password-file',
    flagValue: 'path',
    text: "A file with that user's password.",
  } satisfies Optional<string>,
  redisCaFile: {
    value: file,
    environment: 'COFFER_REDIS_CA_FILE',
    flag: 'redis-ca-file',
    flagValue: 'path',
    text: "Certificates that the Redis server's is checked against.",
  } satisfies Optional<string>,
  meshKeyFile: {
    value: file,
    environment: 'COFFER_MESH_KEY_FILE',
    flag: 'mesh-key-file',
    flagValue: 'path',
    text: 'The key that all services of one mesh share, as `coffer mesh-key` prints it. Needed with NATS.',
  } satisfies Optional<string>,
} as const
