import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Configuration } from '@coffer/config'
import { writeDurably, writeNewFile } from './durable-file.ts'
import { ELSEWHERE_MARKER, isElsewhere, type MetadataServer } from './metadata-location.ts'

/*
 * An online move leaves in the metadata directory where it has brought the metadata, so that a server whose settings are still
 * those of before finds it: in `on-postgresql` the database to use where none is configured, in `moved-from-postgresql` the one that
 * is not to be used any more.
 */
const MOVED_FROM = 'moved-from-postgresql'

interface MovedFrom {
  /** Of the move. */
  readonly id: string
  readonly server: MetadataServer
}

/** What a configuration means on this directory, after moves: names of files, no secrets. `onChange` is told why it is not as it was given. */
export async function settled(
  given: Configuration,
  metadataDirectory: string,
  onChange: (why: string) => void,
): Promise<Configuration> {
  if (isElsewhere(metadataDirectory)) {
    const server = await recordedServer(metadataDirectory)
    const isOfBefore =
      given.metadataUrl === undefined || given.metadataUrl === (await readMovedFrom(metadataDirectory))?.server.url
    if (server === undefined || !isOfBefore || server.url === given.metadataUrl) return given
    onChange(`the metadata was moved to ${server.url}: set COFFER_METADATA_URL to it`)
    return {
      ...given,
      metadataUrl: server.url,
      metadataPasswordFile: server.passwordFile,
      metadataCaFile: server.caFile,
      metadataCertFile: server.certFile,
      metadataKeyFile: server.keyFile,
    }
  }
  if (given.metadataUrl === undefined) return given
  const { server } = (await readMovedFrom(metadataDirectory)) ?? {}
  if (server?.url !== given.metadataUrl) return given
  onChange(`the metadata was moved from ${server.url} into the data directory: remove COFFER_METADATA_URL`)
  return { ...given, metadataUrl: undefined }
}

/** The database that a move has brought the metadata to; undefined: none, or one that was configured. */
export async function recordedServer(metadataDirectory: string): Promise<MetadataServer | undefined> {
  return (await readJson(join(metadataDirectory, ELSEWHERE_MARKER))) as MetadataServer | undefined
}

/** From now on the metadata is there. Can be repeated. */
export async function recordElsewhere(metadataDirectory: string, server: MetadataServer): Promise<void> {
  const path = join(metadataDirectory, ELSEWHERE_MARKER)
  if (!existsSync(path)) await writeNewFile(path, `${JSON.stringify(withFullPaths(server))}\n`, 0o600)
  await rm(join(metadataDirectory, MOVED_FROM), { force: true })
}

/** From now on the metadata is on the next server, and not on this one any more. Can be repeated. */
export async function recordNext(
  metadataDirectory: string,
  { id, server, next }: MovedFrom & { readonly next: MetadataServer },
): Promise<void> {
  await recordMovedFrom(metadataDirectory, { id, server })
  const text = `${JSON.stringify(withFullPaths(next))}\n`
  await writeDurably(join(metadataDirectory, ELSEWHERE_MARKER), text, 0o600)
}

export async function recordMovedFrom(metadataDirectory: string, { id, server }: MovedFrom): Promise<void> {
  const text = `${JSON.stringify({ id, server: withFullPaths(server) })}\n`
  await writeDurably(join(metadataDirectory, MOVED_FROM), text, 0o600)
}

export async function readMovedFrom(metadataDirectory: string): Promise<MovedFrom | undefined> {
  return (await readJson(join(metadataDirectory, MOVED_FROM))) as MovedFrom | undefined
}

/** A server may run in another directory. */
function withFullPaths(server: MetadataServer): MetadataServer {
  const full = (path: string | undefined) => (path === undefined ? undefined : resolve(path))
  const { url, passwordFile, caFile, certFile, keyFile } = server
  return {
    url,
    passwordFile: full(passwordFile),
    caFile: full(caFile),
    certFile: full(certFile),
    keyFile: full(keyFile),
  }
}

/** Undefined: there is none, or it says nothing (a marker of an offline move, or of a first start). */
async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text?.startsWith('{') ? JSON.parse(text) : undefined
}
