import { describe, expect, it } from 'vitest'
import { environmentOf, systemEnvironment } from './role-environment.ts'
import { MESH_ROLES } from './roles.ts'

const ENVIRONMENT = {
  PATH: '/bin',
  LC_ALL: 'C',
  NODE_COMPILE_CACHE: '/cache',
  HTTPS_PROXY: 'http://user:password@proxy',
  AWS_SECRET_ACCESS_KEY: 'a',
  AZURE_CLIENT_SECRET: 'b',
  VAULT_TOKEN: 'c',
  GITHUB_TOKEN: 'd',
  COFFER_LOG_LEVEL: 'info',
  COFFER_ROOT_KEY: 'e',
  COFFER_ROOT_KEY_FILE: '/root.key',
  COFFER_ROOT_ACCESS_KEY_ID: 'f',
  COFFER_ROOT_SECRET_ACCESS_KEY: 'g',
  COFFER_ROOT_CREDENTIALS_FILE: '/root-credentials',
  COFFER_METADATA_PASSWORD_FILE: '/postgres',
  COFFER_REDIS_PASSWORD_FILE: '/redis',
  COFFER_KMS_FILE: '/kms.yaml',
}
const holdersOf = (name: string, environment: NodeJS.ProcessEnv = ENVIRONMENT) =>
  MESH_ROLES.filter((role) => environmentOf(role, environment)[name] !== undefined)

describe('what a process of the mesh finds in its environment', () => {
  it.each([
    ['COFFER_ROOT_KEY', ['kms']],
    ['COFFER_ROOT_KEY_FILE', ['kms']],
    ['COFFER_KMS_FILE', ['kms']],
    ['COFFER_ROOT_ACCESS_KEY_ID', ['iam']],
    ['COFFER_ROOT_SECRET_ACCESS_KEY', ['iam']],
    ['COFFER_ROOT_CREDENTIALS_FILE', ['iam']],
    ['COFFER_METADATA_PASSWORD_FILE', ['metadata']],
    ['COFFER_REDIS_PASSWORD_FILE', ['rotation']],
    ['AWS_SECRET_ACCESS_KEY', ['kms']],
    ['AZURE_CLIENT_SECRET', ['kms']],
    ['VAULT_TOKEN', ['kms']],
    ['GITHUB_TOKEN', ['kms']],
    ['HTTPS_PROXY', ['gateway', 'kms', 'iam', 'rotation', 'events']],
  ])('%s is only of %j', (name, roles) => {
    expect(holdersOf(name)).toEqual(roles)
  })

  it.each(['PATH', 'LC_ALL', 'NODE_COMPILE_CACHE', 'COFFER_LOG_LEVEL'])('%s is everybody’s', (name) => {
    expect(holdersOf(name)).toEqual(MESH_ROLES)
  })

  it('credentials of AWS are also of who keeps object data at an S3 endpoint', () => {
    const environment = { ...ENVIRONMENT, COFFER_BLOBS_FILE: '/blobs.yaml' }
    expect(holdersOf('AWS_SECRET_ACCESS_KEY', environment)).toEqual(['gateway', 'kms', 'rotation'])
    expect(holdersOf('COFFER_BLOBS_FILE', environment)).toEqual(['gateway', 'rotation'])
  })

  it('nothing of ours or of a cloud goes to another program', () => {
    expect(Object.keys(systemEnvironment(ENVIRONMENT))).toEqual(['PATH', 'LC_ALL', 'NODE_COMPILE_CACHE'])
  })
})
