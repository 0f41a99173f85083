import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Configuration } from '@coffer/config'
import type { Mesh } from '@coffer/mesh'
import { readTlsMaterial, tlsSettingsOf } from '../certificates/tls-settings.ts'
import { openStoreFor } from '../cli/open-store.ts'
import { isRunning } from '../is-running.ts'
import { checkCertificates } from './certificate-checks.ts'
import { checkCollector } from './collector-check.ts'
import { type Finding, ok, problem, reasonOf } from './finding.ts'
import { checkIdentities, checkIdentityNames } from './identity-checks.ts'
import { checkReach } from './reach-checks.ts'
import { checkRevocationLists } from './revocation-checks.ts'
import { checkStore } from './store-checks.ts'

/** Looks at everything that a start, or a client, could stumble over. Changes nothing. */
export async function runDoctor(configuration: Configuration): Promise<readonly Finding[]> {
  const certsDirectory = join(resolve(configuration.dataDir), 'certs')
  return [
    ...(await checkStore(configuration)),
    ...(await checkCertificates(certsDirectory, Date.now())),
    ...(await checkTls(configuration, certsDirectory)),
    ...(await checkReach(configuration, isRunning(configuration))),
    ...(await checkIdentities(configuration, Date.now())),
    ...(await checkOpened(configuration)),
    ...(await checkCollector(configuration)),
  ]
}

async function checkTls(configuration: Configuration, certsDirectory: string): Promise<Finding[]> {
  const lists = await checkRevocationLists(configuration.clientCrlFile, Date.now())
  try {
    await readTlsMaterial(tlsSettingsOf(configuration), certsDirectory)
    return [ok('tls', 'TLS', `${configuration.tlsMinVersion} and later`), ...lists]
  } catch (error) {
    return [problem('tls-invalid', 'TLS', reasonOf(error)), ...lists]
  }
}

/** Opens the store as every command does: so its root key is tried too. */
async function checkOpened(configuration: Configuration): Promise<Finding[]> {
  const isMade = existsSync(join(resolve(configuration.dataDir), 'coffer.json'))
  if (!isMade && configuration.natsUrl === undefined) return []
  const findings: Finding[] = []
  try {
    await openStoreFor(configuration, async (mesh) => {
      findings.push(await checkKms(mesh))
      findings.push(...(await checkNames(mesh, configuration)))
    })
    return findings
  } catch (error) {
    return [...findings, problem('kms-unusable', 'KMS', reasonOf(error))]
  }
}

async function checkKms(mesh: Mesh): Promise<Finding> {
  const names: string[] = []
  try {
    const kms = mesh.use('kms')
    names.push(...(await kms.listConnectors()))
    await kms.selfTest()
    return ok('kms', names.join(', '), 'opens with the root key, and every connector answers')
  } catch (error) {
    return problem('kms-unusable', names.join(', ') || 'KMS', reasonOf(error))
  }
}

async function checkNames(mesh: Mesh, configuration: Configuration): Promise<Finding[]> {
  return await checkIdentityNames(mesh, configuration, Date.now()).catch((error: unknown) => [
    problem('identities-unreadable', 'identities', reasonOf(error)),
  ])
}
