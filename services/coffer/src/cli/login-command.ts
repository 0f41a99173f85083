import { Command, InvalidArgumentError } from 'commander'
import type { LoginFlags } from '../login/log-in.ts'

const FORMATS: readonly LoginFlags['format'][] = ['env', 'process', 'json']

/** `coffer login`: from an OpenID Connect provider, a client certificate or a directory to credentials of a role. */
export function loginCommand(): Command {
  return new Command('login')
    .description('log in by OpenID Connect, a client certificate or LDAP; prints short-lived credentials')
    .requiredOption('--endpoint <url>', 'https://host:port of Coffer')
    .option('--issuer <url>', 'the provider')
    .option('--client-id <id>', 'the public client that is registered there')
    .option('--client-cert <path>', 'a client certificate (PEM), to log in with that')
    .option('--client-key <path>', 'its private key (PEM)')
    .option('--ldap', "with a user name and password of the server's directory")
    .option('--username <name>', 'the user name there (default: as on this machine)')
    .option('--password-file <path>', 'a file with the password; - is standard input (default: asked for)')
    .option('--role-arn <arn>', 'the role to assume (default: as the server says; a provider needs one)')
    .option('--scope <scopes>', 'what to ask the provider for; with offline_access logins are renewed', 'openid')
    .option(
      '--session-name <name>',
      'how the audit trail calls this session (default: the name of certificate or person; of a provider, of the user here)',
    )
    .option('--duration-seconds <seconds>', 'how long the credentials live (default: as the role says)', wholeNumber)
    .option('--device', 'by a code that is typed on another device, where this one has no browser')
    .option('--no-browser', 'print the address in place of opening it')
    .option(
      '--format <format>',
      'env: lines for a shell; process: for credential_process of AWS clients; json',
      formatOf,
      'env',
    )
    .option('--ca-file <path>', 'certificates that servers are checked against (default: AWS_CA_BUNDLE)')
    .option('--no-cache', 'log in anew, and keep nothing')
    .action(async (flags: LoginFlags) => {
      // The OpenID Connect library is loaded by who logs in, not by every command.
      const { logIn } = await import('../login/log-in.ts')
      await logIn(flags)
    })
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('A whole number of seconds.')
  return Number(text)
}

function formatOf(text: string): LoginFlags['format'] {
  const format = FORMATS.find((each) => each === text)
  if (format === undefined) throw new InvalidArgumentError(`One of ${FORMATS.join(', ')}.`)
  return format
}
