import { Command } from 'commander'
import type { LogoutFlags } from '../login/log-out.ts'

/** `coffer logout`: ends what `coffer login` gave. */
export function logoutCommand(): Command {
  return new Command('logout')
    .description('end the credentials of coffer login at the server, and forget them')
    .option(
      '--endpoint <url>',
      'only those of this server, and the AWS_SESSION_TOKEN of the environment (default: all that are kept)',
    )
    .option('--ca-file <path>', 'certificates that servers are checked against (default: AWS_CA_BUNDLE)')
    .action(async (flags: LogoutFlags) => {
      const { logOut } = await import('../login/log-out.ts')
      await logOut(flags)
    })
}
