import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration } from '@coffer/config'
import type { MetadataStore } from '@coffer/metadata-store'
import type { PostgresStoreOptions } from '@coffer/metadata-store/drivers/postgres'
import type { DataDirectory } from './data-directory.ts'
import { writeNewFile } from './durable-file.ts'
import { cofferError } from './errors.ts'

/** A PostgreSQL server that holds the metadata, as configured: names of files, no secrets. */
export interface MetadataServer {
  readonly url: string
  readonly passwordFile: string | undefined
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
}

/** Where the metadata is: on that server, else in the directory. */
export interface MetadataLocation {
  readonly metadataDirectory: string
  readonly metadataServer: MetadataServer | undefined
}

/** In the metadata directory of a store whose metadata is on a server: nothing may begin a new, empty store there. */
export const ELSEWHERE_MARKER = 'on-postgresql'
const DEFAULT_PORT = 5432
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])

export function metadataServerOf(configuration: Configuration): MetadataServer | undefined {
  const { metadataUrl: url, metadataPasswordFile, metadataCaFile, metadataCertFile, metadataKeyFile } = configuration
  if (url === undefined) return undefined
  return {
    url,
    passwordFile: metadataPasswordFile,
    caFile: metadataCaFile,
    certFile: metadataCertFile,
    keyFile: metadataKeyFile,
  }
}

/** The one that the metadata is moved to from a server. */
export function nextMetadataServerOf(configuration: Configuration): MetadataServer | undefined {
  if (configuration.metadataNextUrl === undefined) return undefined
  return {
    url: configuration.metadataNextUrl,
    passwordFile: configuration.metadataNextPasswordFile,
    caFile: configuration.metadataNextCaFile,
    certFile: configuration.metadataNextCertFile,
    keyFile: configuration.metadataNextKeyFile,
  }
}

/** COFFER_METADATA_ELSEWHERE, COFFER_METADATA_CONFIGURATION_INVALID, META_... */
export async function openMetadataStore(location: MetadataLocation): Promise<MetadataStore> {
  const { metadataServer, metadataDirectory } = location
  if (metadataServer) {
    const { openPostgresStore } = await import('@coffer/metadata-store/drivers/postgres')
    return await openPostgresStore(await postgresOptionsOf(metadataServer))
  }
  if (isElsewhere(metadataDirectory)) {
    throw cofferError(
      'COFFER_METADATA_ELSEWHERE',
      'it is on PostgreSQL: give --metadata-url <url> or COFFER_METADATA_URL',
    )
  }
  const { openLmdbStore } = await import('@coffer/metadata-store/drivers/lmdb')
  return await openLmdbStore({ directory: metadataDirectory })
}

/**
 * Makes sure that a data directory and the metadata on a server belong together, before anything is read or removed: with
 * another store's metadata every blob here would look like garbage. The first start binds the two.
 */
export async function bindMetadata(directory: DataDirectory, server: MetadataServer | undefined): Promise<void> {
  if (!server) return
  const { claimPostgresStore } = await import('@coffer/metadata-store/drivers/postgres/ownership')
  const { metadataDirectory, blobsDirectory, id } = directory
  const options = await postgresOptionsOf(server)
  const isBound = isElsewhere(metadataDirectory)
  if (!isBound && !((await isEmpty(metadataDirectory)) && (await isEmpty(blobsDirectory)))) {
    const why = 'this data directory has its own: move it with `coffer migrate metadata`'
    throw cofferError('COFFER_METADATA_ELSEWHERE', why)
  }
  const owner = await claimPostgresStore(options, isBound ? undefined : id)
  if (owner !== id) {
    throw cofferError('COFFER_METADATA_ELSEWHERE', 'the database belongs to another data directory', {
      owner: owner ?? 'none',
      id,
    })
  }
  if (!isBound) await markElsewhere(metadataDirectory)
}

/** From now on the metadata of this directory is on a server. */
export async function markElsewhere(metadataDirectory: string): Promise<void> {
  await writeNewFile(join(metadataDirectory, ELSEWHERE_MARKER), 'The metadata of this store is on PostgreSQL.\n', 0o600)
}

export function isElsewhere(metadataDirectory: string): boolean {
  return existsSync(join(metadataDirectory, ELSEWHERE_MARKER))
}

/** COFFER_METADATA_CONFIGURATION_INVALID. */
export async function postgresOptionsOf(server: MetadataServer): Promise<PostgresStoreOptions> {
  const url = new URL(server.url)
  const socketDirectory = url.searchParams.get('host')
  const isLocal = LOOPBACK.has(url.hostname)
  const user = decodeURIComponent(url.username)
  const database = decodeURIComponent(url.pathname.slice(1))
  if (url.password !== '') throw invalid('the password belongs into a file: --metadata-password-file <path>')
  if (user === '' || database === '') throw invalid('give a user and a database: postgres://user@host/database')
  if (socketDirectory !== null && !(isLocal && socketDirectory.startsWith('/'))) {
    throw invalid('the directory of a socket is given as postgres://user@localhost/database?host=/directory')
  }
  const schema = url.searchParams.get('schema') ?? undefined
  if (schema !== undefined && !/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw invalid('a schema is named by a-z, 0-9 and _')
  const ca = await readIfGiven(server.caFile)
  const cert = await readIfGiven(server.certFile)
  const key = await readIfGiven(server.keyFile)
  const hasTls = !isLocal || ca !== undefined || url.searchParams.get('sslmode') === 'verify-full'
  return {
    host: socketDirectory ?? url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    user,
    database,
    passwordFile: server.passwordFile,
    tls: hasTls ? { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } : undefined,
    ...(schema !== undefined && { schema }),
  }
}

function invalid(why: string): Error {
  return cofferError('COFFER_METADATA_CONFIGURATION_INVALID', why)
}

async function readIfGiven(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw cofferError('COFFER_METADATA_CONFIGURATION_INVALID', `cannot read ${path}`, { path }, { cause })
  })
}

async function isEmpty(directory: string): Promise<boolean> {
  return (await readdir(directory)).length === 0
}
