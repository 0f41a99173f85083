import { Command } from 'commander'
import { addOptionFlags, configurationValues, STORE_OPTIONS } from './option-flags.ts'

export function serverCommand(): Command {
  const command = new Command('server').description('serve S3 from a data directory: everything in one command')
  addOptionFlags(command, [
    ...STORE_OPTIONS,
    'address',
    'workers',
    'allowHttp',
    'tlsMinVersion',
    'tlsCiphers',
    'tlsCurves',
    'clientCertificates',
    'clientCaFile',
    'clientCrlFile',
    'region',
    'domains',
    'dataAlgorithm',
    'blockedEncryptionTypes',
    'publicAccess',
    'healthAddress',
    'rateLimitPerAddress',
    'rateLimitPerAccessKey',
    'failedSignaturesPerMinute',
    'audit',
    'auditFile',
    'objectOwnership',
    'signatureVersion2',
    'accessLogSeconds',
    'websiteDomains',
    'inlineSizeBytesMax',
  ])
  return command.action(async () => {
    const { runServer } = await import('../supervisor.ts')
    await runServer(configurationValues(command))
  })
}
