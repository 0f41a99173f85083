import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Secret } from '@coffer/crypto-core'
import type { LoadEndpoint } from '@coffer/service-coffer/bench'
import { freePort } from '../harness/free-port.ts'
import { TICK_MS, ticksOf } from './process-ticks.ts'

const CHECKOUT = resolve(import.meta.dirname, '../..')
const ACCESS_KEY_ID = 'bench'
const SECRET_ACCESS_KEY = 'bench-secret'
export const benchKeys = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY }

/**
 * Load before small requests are measured. V8 compiles what runs often, step by step: the first 5,000 puts of a server take two
 * and a half times the processor time of those after 40,000, and 40,000 are 5 s on a quiet machine (docs/performance.md).
 */
export const WARM_UP_MS = 10_000

export interface BenchServer {
  readonly endpoint: LoadEndpoint
  readonly dataDir: string
  /** Resident memory of all its processes, bytes. Source: proc(5), /proc/pid/statm. */
  residentBytes(): number
  /** Processor time that all its processes have used, milliseconds. Source: proc(5), /proc/pid/stat. */
  cpuMs(): number
  stop(): Promise<void>
}

/**
 * Coffer as a user starts it, over plain HTTP on loopback, in a data directory that is removed at the end. `checkout`: where
 * its code is, to compare with that of another commit.
 */
export async function startCoffer(
  settings: Readonly<Record<string, string>> = {},
  checkout = CHECKOUT,
): Promise<BenchServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'coffer-bench-'))
  const port = await freePort()
  const server = spawn(process.execPath, [join(checkout, 'services/coffer/bin/coffer.js'), 'server'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      COFFER_DATA_DIR: join(dataDir, 'data'),
      COFFER_ADDRESS: `127.0.0.1:${port}`,
      COFFER_ALLOW_HTTP: 'true',
      COFFER_ROOT_ACCESS_KEY_ID: ACCESS_KEY_ID,
      COFFER_ROOT_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
      COFFER_LOG_LEVEL: 'warn',
      ...settings,
    },
  })
  await once(server.stdout, 'data')
  server.stdout.resume()
  return {
    endpoint: endpointOf(port),
    dataDir,
    residentBytes: () => residentOf(server.pid ?? 0),
    cpuMs: () => cpuMsOf(server.pid ?? 0),
    async stop() {
      await end(server)
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/**
 * What node:http can do on this machine with the same bodies and as many processes: the measure for the overhead. With the
 * directory of a certificate it is node:https.
 */
export async function startBareServer(
  processCount: number,
  bodyBytes: number,
  certsDirectory?: string,
): Promise<BenchServer> {
  const port = await freePort()
  const script = join(import.meta.dirname, 'bare-server.ts')
  const options = [port, processCount, bodyBytes].map(String)
  const server = spawn(process.execPath, [script, ...options, ...(certsDirectory ? [certsDirectory] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(server.stdout, 'data')
  return {
    endpoint: certsDirectory ? overTls(endpointOf(port)) : endpointOf(port),
    dataDir: '',
    residentBytes: () => residentOf(server.pid ?? 0),
    cpuMs: () => cpuMsOf(server.pid ?? 0),
    stop: () => end(server),
  }
}

/** A bucket to put into; a bare server takes any for made. */
export async function makeBenchBucket({ endpoint }: Pick<BenchServer, 'endpoint'>): Promise<string> {
  const { S3Client, CreateBucketCommand } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint: endpoint.url,
    region: endpoint.region,
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY },
  })
  await client.send(new CreateBucketCommand({ Bucket: 'bench' }))
  client.destroy()
  return 'bench'
}

/** The same server over TLS, its own certificate taken as it comes. */
export function overTls(endpoint: LoadEndpoint): LoadEndpoint {
  return { ...endpoint, url: endpoint.url.replace('http:', 'https:'), insecure: true }
}

/** The certificate that a server made for itself at its first start. */
export function certsDirectoryOf({ dataDir }: Pick<BenchServer, 'dataDir'>): string {
  return join(dataDir, 'data/certs')
}

function endpointOf(port: number): LoadEndpoint {
  return {
    url: `http://127.0.0.1:${port}`,
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: Secret.copyOf(Buffer.from(SECRET_ACCESS_KEY)),
    region: 'us-east-1',
  }
}

async function end(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit')
  server.kill('SIGTERM')
  await ended
}

const PAGE_BYTES = 4096

function residentOf(pid: number): number {
  return processesOf(pid).reduce((sum, name) => sum + residentPagesOf(name) * PAGE_BYTES, 0)
}

function cpuMsOf(pid: number): number {
  return processesOf(pid).reduce((sum, name) => sum + ticksOf(name) * TICK_MS, 0)
}

/** A process and its children. */
function processesOf(pid: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => Number(name) === pid || parentOf(name) === pid)
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}

function residentPagesOf(pid: string): number {
  try {
    const [, resident = '0', shared = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
    // The mapped metadata file is shared page cache, not memory of ours.
    return Number(resident) - Number(shared)
  } catch {
    return 0
  }
}
