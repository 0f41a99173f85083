import { runOrThrow } from './coffer-command.ts'
import type { ClientTarget } from './s3.ts'
import { cleanEnvironment } from './start-server.ts'

/** Enough for the interpreter's start on a busy machine. */
const TIMEOUT_MS = 60_000

/** `aws s3api` against a server; resolves with what it printed. `program`: its path. */
export function s3apiOf(program: string, target: ClientTarget): (...args: string[]) => Promise<string> {
  const env = cleanEnvironment({
    AWS_ACCESS_KEY_ID: target.accessKeyId,
    AWS_SECRET_ACCESS_KEY: target.secretAccessKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_CA_BUNDLE: target.caFile,
    AWS_EC2_METADATA_DISABLED: 'true',
  })
  return async (...args) => {
    const command = ['--endpoint-url', target.endpoint, 's3api', ...args]
    return (await runOrThrow(program, command, { env, timeoutMs: TIMEOUT_MS })).stdout
  }
}
