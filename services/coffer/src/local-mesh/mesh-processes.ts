import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@coffer/mesh'
import { cofferError } from '../errors.ts'
import { retryPauseMs } from '../retry-pause.ts'

/** A process of the mesh: a service, and what its environment has beside everybody's. */
export interface MeshProcess {
  /** For people: `gateway 2`. */
  readonly name: string
  readonly service: string
  readonly flags: readonly string[]
  readonly environment: NodeJS.ProcessEnv
}

const COFFER = new URL('../../bin/coffer.js', import.meta.url).pathname
const READY = /^coffer \w+ is ready(?:: (.*))?$/
const START_TIMEOUT_MS = 60_000
/** Longer than a gateway lets its requests go on. */
const STOP_TIMEOUT_MS = 15_000
/** A process that lasted this long was no failed start. */
const STEADY_AFTER_MS = 30_000

/** The processes of a mesh on this machine: started, replaced when they die, stopped in the order in which they need each other. */
export class MeshProcesses {
  readonly #logger: Logger
  readonly #running = new Map<string, ChildProcess>()
  #isStopping = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Resolves with what each said when it was ready, by name. COFFER_WORKER_FAILED. */
  async start(wanted: readonly MeshProcess[]): Promise<ReadonlyMap<string, string>> {
    const said = await Promise.all(wanted.map(async (each) => [each.name, await this.#startOne(each)] as const))
    return new Map(said)
  }

  /** The last stage first; those of one stage at once. Never rejects. */
  async stop(stages: readonly (readonly MeshProcess[])[]): Promise<void> {
    this.#isStopping = true
    for (const stage of stages.toReversed()) await Promise.all(stage.map(({ name }) => this.#stopOne(name)))
  }

  async #startOne(wanted: MeshProcess, failures = 0): Promise<string> {
    const { service, flags, environment } = wanted
    // The channel tells the process that whoever started it is gone, however that ended.
    const stdio = ['ignore', 'pipe', 'inherit', 'ipc'] as const
    const args = [COFFER, 'service', service, ...flags]
    // In groups of their own: an interrupt from the keyboard reaches this process alone, which stops them in order.
    const child = spawn(process.execPath, args, { env: environment, stdio: [...stdio], detached: true })
    this.#running.set(wanted.name, child)
    const startedAt = performance.now()
    const said = await readyLine(child, wanted.name)
    child.once('exit', (code, signal) => {
      if (this.#isStopping) return
      const isSteady = performance.now() - startedAt > STEADY_AFTER_MS
      this.#logger.error({ process: wanted.name, code, signal }, 'a process of the mesh died; another takes its place')
      void this.#replace(wanted, isSteady ? 0 : failures + 1)
    })
    return said
  }

  async #replace(wanted: MeshProcess, failures: number): Promise<void> {
    if (failures > 1) await sleep(retryPauseMs(failures - 2))
    if (this.#isStopping) return
    try {
      await this.#startOne(wanted, failures)
      this.#logger.info({ process: wanted.name }, 'it is ready')
    } catch (error) {
      this.#logger.error({ err: error, process: wanted.name }, 'it could not start')
      await this.#stopOne(wanted.name)
      await this.#replace(wanted, failures + 1)
    }
  }

  async #stopOne(name: string): Promise<void> {
    const child = this.#running.get(name)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    const cutOff = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await gone
    clearTimeout(cutOff)
  }
}

/** What follows `is ready: ` on its standard output, which is read to its end. COFFER_WORKER_FAILED. */
async function readyLine(child: ChildProcess, name: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const fail = (why: string) => reject(cofferError('COFFER_WORKER_FAILED', `${name} ${why}`))
  const timer = setTimeout(() => fail('was not ready in time'), START_TIMEOUT_MS)
  const onExit = (code: number | null, signal: string | null) =>
    fail(`ended with ${signal ?? `status ${code}`} before it was ready`)
  child.once('error', () => fail('could not be started'))
  child.once('exit', onExit)
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const ready = READY.exec(line)
      if (ready) resolve(ready[1] ?? '')
    })
  }
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    child.off('exit', onExit)
  }
}
