import { spawn } from 'node:child_process'
import { COFFER, REPOSITORY } from './start-server.ts'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const COMMAND_TIMEOUT_MS = 120_000

/** Runs a program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd?: string; timeoutMs?: number },
): Promise<CommandResult> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: options.env,
      cwd: options.cwd ?? REPOSITORY,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? COMMAND_TIMEOUT_MS,
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.once('error', reject)
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') }),
    )
  })
}

/** Runs a program and fails with its output if it fails. */
export async function runOrThrow(
  program: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd?: string; timeoutMs?: number },
): Promise<CommandResult> {
  const result = await run(program, args, options)
  if (result.code !== 0) {
    throw new Error(`${program} ${args.join(' ')} ended with ${result.code}:\n${result.stdout}\n${result.stderr}`)
  }
  return result
}

/** Runs `coffer <args>` on this Node. */
export async function coffer(args: readonly string[], env: NodeJS.ProcessEnv): Promise<CommandResult> {
  return await run(process.execPath, [COFFER, ...args], { env })
}

/** Runs `coffer <args> --json` for the data directory of a server and returns what it printed. */
export async function cofferJson<Answer>(
  server: { readonly env: NodeJS.ProcessEnv },
  args: readonly string[],
): Promise<Answer> {
  const { stdout } = await runOrThrow(process.execPath, [COFFER, ...args, '--json'], { env: server.env })
  return JSON.parse(stdout) as Answer
}
