import { type ChildProcess, spawn } from 'node:child_process'

/** A program started in a process group of its own, so that it and everything it starts can be killed as one. */
export interface ProcessGroup {
  readonly pid: number
  /** What it wrote to stdout and stderr so far. */
  logs(): string
  exited(): boolean
  /** Resolves when the first process of the group has ended. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Sends the signal to every process of the group and waits for the end of the first. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** SIGTERM to the first process; SIGKILL to the group if it is still there after `graceMs`. */
  stop(graceMs?: number): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

const LOG_CHARACTERS_MAX = 2_000_000
/** A server takes up to 13 s to stop in order where the machine has time for it. */
const GRACE_MS = 60_000

/** The groups still running, killed when the test process ends: a failed suite leaves no server behind. */
const running = new Set<number>()
const killAll = (): void => {
  for (const pid of running) signalGroup(pid, 'SIGKILL')
}
process.on('exit', killAll)
// One that is told to end does not exit by itself.
process.once('SIGTERM', () => {
  killAll()
  process.kill(process.pid, 'SIGTERM')
})

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // ESRCH: the group has ended already.
  }
}

export function startGroup(
  program: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd: string; uid?: number; gid?: number },
): ProcessGroup {
  const child: ChildProcess = spawn(program, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  const collect = (chunk: Buffer): void => {
    log = (log + chunk.toString('utf8')).slice(-LOG_CHARACTERS_MAX)
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  let exited = false
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', (error) => {
      log += `\n${error.message}`
      exited = true
      resolve({ code: null, signal: null })
    })
    child.once('exit', (code, signal) => {
      exited = true
      resolve({ code, signal })
    })
  })
  const pid = child.pid ?? 0
  if (pid > 0) running.add(pid)

  return {
    pid,
    ended,
    logs: () => log,
    exited: () => exited,
    async kill(signal) {
      if (pid > 0) signalGroup(pid, signal)
      await ended
      running.delete(pid)
    },
    async stop(graceMs = GRACE_MS) {
      if (!exited) child.kill('SIGTERM')
      const timer = setTimeout(() => pid > 0 && signalGroup(pid, 'SIGKILL'), graceMs)
      const result = await ended
      clearTimeout(timer)
      if (pid > 0) signalGroup(pid, 'SIGKILL')
      running.delete(pid)
      return result
    },
  }
}
