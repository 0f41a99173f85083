import { expect, vi } from 'vitest'
import { type Browser, OIDC_CLIENT_ID, type OidcProvider } from '../harness/oidc-provider.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import type { ClientTarget } from '../harness/s3.ts'
import { COFFER, REPOSITORY } from '../harness/start-server.ts'

/** Where and as which machine `coffer login` runs. */
export interface LoginPlace {
  readonly server: ClientTarget
  readonly provider: OidcProvider
  readonly env: NodeJS.ProcessEnv
}

/** What `coffer login` prints when the person has done their part. */
export async function cofferLogin(
  { server, provider, env }: LoginPlace,
  args: readonly string[],
  person: (said: string) => Promise<unknown>,
): Promise<string> {
  const flags = ['--endpoint', server.endpoint, '--issuer', provider.issuer, '--client-id', OIDC_CLIENT_ID]
  const group: ProcessGroup = startGroup(process.execPath, [COFFER, 'login', '--no-browser', ...flags, ...args], {
    env,
    cwd: REPOSITORY,
  })
  const waited = vi.waitFor(() => expect(group.logs()).toMatch(/(Log in at|enter the code) \S+\n/), {
    timeout: 60_000,
    interval: 50,
  })
  await Promise.race([waited, group.ended])
  if (!group.exited()) await person(group.logs())
  const { code } = await group.ended
  if (code !== 0) throw new Error(group.logs())
  return group.logs()
}

/** The person's part in a browser. */
export function byBrowser(browser: Browser) {
  return (said: string) => browser.visit(/Log in at (\S+)/.exec(said)?.[1] ?? '')
}
