import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCofferError } from '@coffer/errors'
import { afterAll, describe, expect, test } from 'vitest'
import { resolveConfiguration } from './index.ts'

const directory = mkdtempSync(join(tmpdir(), 'coffer-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

function configFile(source: string): string {
  const path = join(directory, 'coffer.yaml')
  writeFileSync(path, source)
  return path
}

function refusal(run: () => unknown): { code: string; message: string } {
  try {
    run()
  } catch (error) {
    if (isCofferError(error)) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('precedence', () => {
  test('with nothing set, every option has its default', () => {
    const { values } = resolveConfiguration({ environment: {} })
    expect(values).toMatchObject({
      dataDir: './data',
      address: { host: '127.0.0.1', port: 9000 },
      allowHttp: false,
      region: 'us-east-1',
      domains: ['localhost'],
      dataAlgorithm: 'auto',
      blockedEncryptionTypes: 'none',
      publicAccess: 'blocked',
      objectOwnership: 'BucketOwnerEnforced',
      signatureVersion2: 'refused',
      accessLogSeconds: 300,
      websiteDomains: [],
      inlineSizeBytesMax: 131_072,
      workers: undefined,
      rootKey: undefined,
    })
  })

  test('a flag comes before a variable, a variable before the file, the file before the default', () => {
    const path = configFile('dataDir: /from-file\nregion: from-file\nworkers: 3\nlogLevel: warn\n')
    const { values, origins } = resolveConfiguration({
      flags: { dataDir: '/from-flag' },
      environment: { COFFER_CONFIG: path, COFFER_DATA_DIR: '/from-variable', COFFER_REGION: 'from-variable' },
    })
    expect(values).toMatchObject({ dataDir: '/from-flag', region: 'from-variable', workers: 3, logFormat: 'text' })
    expect(origins).toMatchObject({
      dataDir: '--data-dir',
      region: 'COFFER_REGION',
      workers: `workers in ${path}`,
      logFormat: 'default',
    })
  })

  test('--config comes before COFFER_CONFIG', () => {
    const configPath = configFile('region: right')
    const environment = { COFFER_CONFIG: join(directory, 'absent.yaml') }
    expect(resolveConfiguration({ configFile: configPath, environment }).values.region).toBe('right')
  })

  test('an empty variable counts as not set, and variables of other programs are left alone', () => {
    const { values } = resolveConfiguration({ environment: { COFFER_REGION: '', COFFEE: 'black', AWS_REGION: 'x' } })
    expect(values.region).toBe('us-east-1')
  })
})

describe('values', () => {
  const parse = (environment: Record<string, string>) => resolveConfiguration({ environment }).values

  test.each([
    [':9000', { host: '', port: 9000 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['s3.example.org:443', { host: 's3.example.org', port: 443 }],
  ])('the address %s is understood', (address, expected) => {
    expect(parse({ COFFER_ADDRESS: address }).address).toEqual(expected)
  })

  test('a command is split into words without a shell: quotes keep spaces, nothing is expanded', () => {
    const { rootKeyCommand } = parse({ COFFER_ROOT_KEY_COMMAND: `vault read "my key" '$HOME' -field=value` })
    expect(rootKeyCommand).toEqual(['vault', 'read', 'my key', '$HOME', '-field=value'])
  })

  test('domains are lower-cased and split at commas', () => {
    expect(parse({ COFFER_DOMAINS: 'S3.Example.org, localhost' }).domains).toEqual(['s3.example.org', 'localhost'])
  })

  test('a file gives lists, numbers and booleans as such', () => {
    const path = configFile('domains: [a.example]\nworkers: 2\nallowHttp: true\nrootKeyCommand: [cat, key file]\n')
    const { values } = resolveConfiguration({ configFile: path, environment: {} })
    expect(values).toMatchObject({
      domains: ['a.example'],
      workers: 2,
      allowHttp: true,
      rootKeyCommand: ['cat', 'key file'],
    })
  })
})

describe('refusals', () => {
  test.each([
    { COFFER_ADDRESS: '127.0.0.1' },
    { COFFER_ADDRESS: '127.0.0.1:65536' },
    { COFFER_WORKERS: '0' },
    { COFFER_WORKERS: '1.5' },
    { COFFER_WORKERS: '-1' },
    { COFFER_ALLOW_HTTP: 'maybe' },
    { COFFER_DATA_ALGORITHM: 'AES-128-CBC' },
    { COFFER_DOMAINS: 'under_score' },
    { COFFER_INLINE_SIZE_BYTES_MAX: '1e3' },
    { COFFER_LOG_LEVEL: 'loud' },
  ])('%o is refused with the option, where it came from and what is allowed', (environment) => {
    const [[variable, value] = ['', '']] = Object.entries(environment)
    const { code, message } = refusal(() => resolveConfiguration({ environment }))
    expect(code).toBe('CONFIG_INVALID_VALUE')
    expect(message).toContain(variable)
    expect(message).toContain(value)
    expect(message).toMatch(/Allowed: .+/)
  })

  test('a bad secret is refused without being shown', () => {
    const environment = { COFFER_ROOT_KEY: 'hunter2-hunter2' }
    const { code, message } = refusal(() => resolveConfiguration({ environment }))
    expect(code).toBe('CONFIG_INVALID_VALUE')
    expect(message).toContain('COFFER_ROOT_KEY')
    expect(message).not.toContain('hunter2')
  })

  test('an accepted secret is not shown when the configuration is logged', () => {
    const { values } = resolveConfiguration({ environment: { COFFER_ROOT_SECRET_ACCESS_KEY: 'hunter2-hunter2' } })
    expect(JSON.stringify(values)).not.toContain('hunter2')
  })

  test('an unknown variable stops, with the nearest name', () => {
    const { code, message } = refusal(() => resolveConfiguration({ environment: { COFFER_DATADIR: '/srv' } }))
    expect(code).toBe('CONFIG_UNKNOWN_OPTION')
    expect(message).toContain('COFFER_DATADIR')
    expect(message).toContain('Did you mean COFFER_DATA_DIR?')
  })

  test('an unknown key in the file stops, with the nearest name', () => {
    const path = configFile('adress: 127.0.0.1:1\n')
    const { code, message } = refusal(() => resolveConfiguration({ configFile: path, environment: {} }))
    expect(code).toBe('CONFIG_UNKNOWN_OPTION')
    expect(message).toContain('Did you mean address?')
    expect(message).toContain(path)
  })

  test('the root key may not rest in the configuration file', () => {
    const path = configFile('rootKey: AAAA\n')
    const { code } = refusal(() => resolveConfiguration({ configFile: path, environment: {} }))
    expect(code).toBe('CONFIG_UNKNOWN_OPTION')
  })

  test('a missing file is refused by its path', () => {
    const path = join(directory, 'absent.yaml')
    const { code, message } = refusal(() => resolveConfiguration({ configFile: path, environment: {} }))
    expect(code).toBe('CONFIG_FILE_UNREADABLE')
    expect(message).toContain(path)
  })

  test.each(['- a\n- b\n', 'just text', 'region: a\nregion: b\n', '{"region": '])(
    'a file that is no mapping is refused: %j',
    (source) => {
      const { code } = refusal(() => resolveConfiguration({ configFile: configFile(source), environment: {} }))
      expect(code).toBe('CONFIG_FILE_MALFORMED')
    },
  )

  test('a malformed file is refused without quoting it', () => {
    const path = configFile('rootSecretAccessKey: "hunter2-hunter2\n')
    const { code, message } = refusal(() => resolveConfiguration({ configFile: path, environment: {} }))
    expect(code).toBe('CONFIG_FILE_MALFORMED')
    expect(message).not.toContain('hunter2')
  })
})
