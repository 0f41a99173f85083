import type { JsonObject } from '@coffer/job-queue'
import { Command, InvalidArgumentError, Option } from 'commander'
import { duration, positiveInteger, sizeOf } from './quantities.ts'

/** What a kind of job is asked for with: the command line of `coffer job start <kind>` and `coffer job schedule add <kind>`. */
interface JobKindOptions {
  readonly kind: string
  readonly description: string
  readonly declare: (command: Command) => Command
  readonly requestOf: (options: Values, key: string | undefined) => JsonObject
}

/** Options as commander has parsed them. */
type Values = Readonly<Record<string, string | number | boolean | Readonly<Record<string, string>> | undefined>>

const KEY_ARGUMENT = 'key, or connector/key'

const CIPHERS = ['AES-256-GCM', 'CHACHA20-POLY1305']

/** With `--encrypted-with` only: objects with two layers (DSSE-KMS) keep theirs. */
const DUAL_LAYER_CIPHER = 'AES-256-GCM-DUAL'

const KINDS: readonly JobKindOptions[] = [
  {
    kind: 'rotate-key',
    description: 'a new version of a master key, and then under it all that older versions wrap',
    declare: (command) =>
      withObjectRate(command.argument('<key>', KEY_ARGUMENT)).option('--no-rewrap', 'only the new version'),
    requestOf: ({ rewrap, objectsPerSecond }, keyName) => ({
      keyName,
      ...(rewrap === false && { rewrap }),
      ...given({ objectsPerSecond }),
    }),
  },
  {
    kind: 'rewrap',
    description: 'wrap anew what older versions of a master key wrap; no object data moves',
    declare: (command) =>
      withObjectRate(command.argument('<key>', KEY_ARGUMENT))
        .option('--to <key>', 'another key, which may be held by another KMS')
        .option('--dry-run', 'only count'),
    requestOf: ({ to, dryRun, objectsPerSecond }, keyName) => ({
      keyName,
      ...given({ toKeyName: to, dryRun, objectsPerSecond }),
    }),
  },
  {
    kind: 'reseal',
    description:
      'seal the object keys of a bucket, a prefix or everything under other master keys; no object data moves',
    declare: withObjects,
    requestOf: objectsRequest,
  },
  {
    kind: 'reencrypt',
    description: 'encrypt object data anew, each version under a new key of its own; dates, ETags and version ids stay',
    declare: (command) =>
      withObjects(command)
        .addOption(
          new Option('--algorithm <name>', 'with this cipher; default: the one for new objects').choices(CIPHERS),
        )
        .option('--bytes-per-second <size>', 'at most, such as 50MiB', sizeOf),
    requestOf: (options) => ({
      ...objectsRequest(options),
      ...given({ algorithm: options.algorithm, bytesPerSecond: options.bytesPerSecond }),
    }),
  },
  {
    kind: 'replicate',
    description: 'replicate the objects that were there before the rules of their buckets, and those that have failed',
    declare: (command) =>
      withObjectRate(command)
        .option('--bucket <name>', 'only this bucket; default: all')
        .option('--prefix <prefix>', 'only keys that begin with it')
        .option('--dry-run', 'only count'),
    requestOf: ({ bucket, prefix, dryRun, objectsPerSecond }) => given({ bucket, prefix, dryRun, objectsPerSecond }),
  },
  {
    kind: 'move-blobs',
    description:
      'move all object data of one blob store to another; ciphertext moves as it is, and is read again there',
    declare: withMove,
    requestOf: moveRequest,
  },
  {
    kind: 'transition',
    description:
      'move what lifecycle rules have due for another storage class; the server does so by itself once a day',
    declare: (command) => withObjectRate(command).option('--bytes-per-second <size>', 'at most, such as 50MiB', sizeOf),
    requestOf: ({ objectsPerSecond, bytesPerSecond }) => given({ objectsPerSecond, bytesPerSecond }),
  },
  {
    kind: 'scrub',
    description: 'check that all object data is there, and remove what nothing refers to',
    declare: (command) => command,
    requestOf: () => ({}),
  },
]

/** One subcommand for each kind; `act` is given what the job is asked for. */
export function jobKindCommands(
  declare: (command: Command) => Command,
  act: (job: { kind: string; request: JsonObject }, command: Command) => Promise<void>,
): Command[] {
  return KINDS.map(({ kind, description, requestOf, ...declared }) => {
    const command = declare(declared.declare(new Command(kind).description(description)))
    return command.action(async (...args: unknown[]) => {
      const key = typeof args[0] === 'string' ? args[0] : undefined
      await act({ kind, request: requestOf(command.opts<Values>(), key) }, command)
    })
  })
}

function withObjectRate(command: Command): Command {
  return command.option('--objects-per-second <count>', 'at most', positiveInteger)
}

function withObjects(command: Command): Command {
  return withObjectRate(command)
    .option('--bucket <name>', 'only this bucket; default: all')
    .option('--prefix <prefix>', 'only keys that begin with it')
    .addOption(new Option('--to-sse-s3', 'under the key of the server').conflicts('toKey'))
    .option('--to-key <key>', 'under this master key (SSE-KMS); default: what each is under, its newest version')
    .option('--no-bucket-key', 'with --to-key: each object by a data key of its own')
    .option('--older-than <age>', 'only versions of this age, such as 90d', duration)
    .option('--newer-than <age>', 'only versions up to this age', duration)
    .option('--key-older-than <age>', 'only versions whose object key has this age', duration)
    .option('--min-size <size>', 'only versions of this size or more, such as 64KiB', sizeOf)
    .option('--max-size <size>', 'only versions up to this size', sizeOf)
    .option('--tag <key=value>', 'only versions with this tag; may be given again', tagGiven)
    .addOption(
      new Option('--encrypted-with <cipher>', 'only versions encrypted with it').choices([
        ...CIPHERS,
        DUAL_LAYER_CIPHER,
      ]),
    )
    .option('--under-key <key>', 'only what depends on this master key')
    .option('--under-version <version>', 'with --under-key: on this version of it', positiveInteger)
    .option('--dry-run', 'only count')
}

/** Also of `coffer migrate blobs`. */
export function withMove(command: Command): Command {
  return withObjectRate(command)
    .requiredOption('--from <store>', 'as the blobs file names it; the data directory is `default`')
    .requiredOption('--to <store>', 'likewise')
    .option('--bucket <name>', 'only this bucket; default: all')
    .option('--prefix <prefix>', 'only keys that begin with it')
    .option('--bytes-per-second <size>', 'at most, such as 50MiB', sizeOf)
    .option('--dry-run', 'only count')
}

export function moveRequest(options: Values): JsonObject {
  const { from, to, bucket, prefix, bytesPerSecond, objectsPerSecond, dryRun } = options
  return given({ from, to, bucket, prefix, bytesPerSecond, objectsPerSecond, dryRun })
}

function objectsRequest(options: Values): JsonObject {
  const filter = given({
    minAgeMs: options.olderThan,
    maxAgeMs: options.newerThan,
    minKeyAgeMs: options.keyOlderThan,
    minSizeBytes: options.minSize,
    maxSizeBytes: options.maxSize,
    algorithm: options.encryptedWith,
    tags: options.tag,
    keyName: options.underKey,
    keyVersion: options.underVersion,
  })
  return {
    ...given({ bucket: options.bucket, prefix: options.prefix, dryRun: options.dryRun }),
    ...given({ objectsPerSecond: options.objectsPerSecond }),
    ...(Object.keys(filter).length > 0 && { filter }),
    ...targetOf(options),
  }
}

function tagGiven(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const equalsAt = text.indexOf('=')
  if (equalsAt < 1) throw new InvalidArgumentError('A tag is given as key=value.')
  return { ...before, [text.slice(0, equalsAt)]: text.slice(equalsAt + 1) }
}

function targetOf({ toSseS3, toKey, bucketKey }: Values): JsonObject {
  if (toSseS3) return { to: { sse: 'SSE-S3' } }
  if (toKey !== undefined) return { to: { sse: 'SSE-KMS', keyName: toKey, bucketKeyEnabled: bucketKey !== false } }
  return {}
}

function given(values: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
