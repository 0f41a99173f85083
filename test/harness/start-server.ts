import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll } from 'vitest'
import { freePort } from './free-port.ts'
import { type ProcessGroup, startGroup } from './process-group.ts'

export const REPOSITORY = resolve(import.meta.dirname, '../..')
export const COFFER = join(REPOSITORY, 'services/coffer/bin/coffer.js')

const START_TIMEOUT_MS = 120_000
const PROBE_PAUSE_MS = 25

export interface StartOptions {
  readonly workers?: number
  /** An existing or future data directory; it is then not removed at the end. Default: a fresh one. */
  readonly dataDir?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  /** More COFFER_* settings. */
  readonly env?: Readonly<Record<string, string>>
}

/** A server as a user runs it: the `coffer server` command in processes of its own, on 127.0.0.1, over TLS. */
export interface CofferServer {
  /** `https://127.0.0.1:<port>`, or `http:` with COFFER_ALLOW_HTTP. */
  readonly endpoint: string
  readonly port: number
  readonly caFile: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly dataDir: string
  /** Of the supervisor. */
  readonly pid: number
  /** The environment that the server got: what a `coffer` command for the same data directory needs. */
  readonly env: NodeJS.ProcessEnv
  logs(): string
  /** Graceful (SIGTERM). Returns the exit code. */
  stop(): Promise<number | null>
  /** To every process of the server at once. */
  killGroup(signal: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port and data; resolves when it answers. */
  restart(): Promise<void>
  /** Stops it and removes its data directory, if the harness made that. */
  dispose(): Promise<void>
}

/** The environment without settings of ours that the developer's shell may hold. */
export function cleanEnvironment(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(COFFER_|AWS_|VITEST|NODE_ENV|NODE_OPTIONS)/.test(name),
  )
  return { ...Object.fromEntries(inherited), ...settings }
}

export function temporaryDirectory(name: string): string {
  return mkdtempSync(join(tmpdir(), `coffer-${name}-`))
}

/** Resolves with the status of `GET /` once the server answers one. */
export async function probe(endpoint: string, caFile: string): Promise<number> {
  const secure = endpoint.startsWith('https:')
  const options = { agent: false as const, timeout: 5_000, ...(secure && { ca: readFileSync(caFile) }) }
  return await new Promise((resolve, reject) => {
    const request = (secure ? httpsGet : httpGet)(endpoint, options, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', reject)
  })
}

export async function waitUntilReady(group: ProcessGroup, endpoint: string, caFile: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  let last: unknown
  while (Date.now() < deadline) {
    if (group.exited()) throw new Error(`the server ended before it was ready:\n${group.logs()}`)
    if (existsSync(caFile) || endpoint.startsWith('http:')) {
      try {
        if ((await probe(endpoint, caFile)) < 500) return
      } catch (error) {
        last = error
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PROBE_PAUSE_MS))
  }
  await group.kill('SIGKILL')
  throw new Error(`the server did not answer within ${START_TIMEOUT_MS} ms (${String(last)}):\n${group.logs()}`)
}

export async function startServer(options: StartOptions = {}): Promise<CofferServer> {
  const dataDir = options.dataDir ?? temporaryDirectory('data')
  const port = await freePort()
  const accessKeyId = options.accessKeyId ?? `AK${randomBytes(9).toString('hex').toUpperCase()}`
  const secretAccessKey = options.secretAccessKey ?? randomBytes(24).toString('base64url')
  const env = cleanEnvironment({
    COFFER_DATA_DIR: dataDir,
    COFFER_ADDRESS: `127.0.0.1:${port}`,
    COFFER_ROOT_ACCESS_KEY_ID: accessKeyId,
    COFFER_ROOT_SECRET_ACCESS_KEY: secretAccessKey,
    COFFER_WORKERS: String(options.workers ?? 2),
    ...options.env,
  })
  const scheme = options.env?.COFFER_ALLOW_HTTP === 'true' ? 'http' : 'https'
  const endpoint = `${scheme}://127.0.0.1:${port}`
  const caFile = join(dataDir, 'certs', 'public.crt')
  let earlierLogs = ''
  let group: ProcessGroup | undefined

  const start = async (): Promise<void> => {
    earlierLogs += group?.logs() ?? ''
    group = startGroup(process.execPath, [COFFER, 'server'], { env, cwd: REPOSITORY })
    await waitUntilReady(group, endpoint, caFile)
  }
  await start()

  return {
    endpoint,
    port,
    caFile,
    accessKeyId,
    secretAccessKey,
    dataDir,
    get pid() {
      return group?.pid ?? 0
    },
    env,
    logs: () => earlierLogs + (group?.logs() ?? ''),
    stop: async () => (await group?.stop())?.code ?? null,
    killGroup: async (signal) => await group?.kill(signal),
    restart: start,
    async dispose() {
      await group?.stop()
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

let suiteServer: CofferServer | undefined

/** From here on suites of this process get this server: so that the same tests run against another way to keep things. */
export function shareWithSuites(server: CofferServer): void {
  suiteServer = server
}

/** One server for all tests of a file or of the suite that it is called in, gone when they are done. */
export function serverForSuite(options: StartOptions = {}): Promise<CofferServer> {
  if (suiteServer) return Promise.resolve(suiteServer)
  const starting = startServer(options)
  // At once: what is registered after a wait belongs to no suite where the caller has not waited too.
  afterAll(async () => await (await starting).dispose())
  return starting
}
