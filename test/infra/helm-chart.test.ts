import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { declarationOf, optionNames } from '@coffer/config'
import { MESH_ROLES } from '@coffer/service-coffer/mesh-roles'
import { afterAll, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { run, runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { cleanEnvironment, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'

const KUBERNETES = join(REPOSITORY, 'infra/kubernetes')
const CHART = join(REPOSITORY, 'infra/helm/coffer')
const SERVICES = MESH_ROLES.filter((role) => role !== 'operator')

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; annotations?: Record<string, string> }
  readonly spec?: {
    readonly replicas?: number
    readonly template?: {
      readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
      readonly spec: {
        readonly containers: readonly {
          readonly image: string
          readonly env: readonly { readonly name: string; readonly value: string }[]
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
        }[]
        readonly volumes: readonly {
          readonly name: string
          readonly projected?: { readonly sources: readonly object[] }
        }[]
      }
    }
    readonly egress?: unknown
  }
  readonly data?: Readonly<Record<string, string>>
}

/** By kind and name, in the order of the names. */
function manifestsIn(...texts: string[]): ReadonlyMap<string, Manifest> {
  const all = texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Manifest | null))
  const named = all.filter((each) => each !== null).map((each) => [`${each.kind} ${each.metadata.name}`, each] as const)
  return new Map(named.sort(([a], [b]) => (a < b ? -1 : 1)))
}

describeWithPrograms('the Helm chart', ['helm', 'kubernetes-validate'], (programs) => {
  const directory = temporaryDirectory('helm')
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const env = cleanEnvironment({ HELM_CACHE_HOME: directory, HELM_CONFIG_HOME: directory, HELM_DATA_HOME: directory })
  const render = async (...flags: string[]) =>
    (await runOrThrow(programs.helm, ['template', 'coffer', CHART, ...flags], { env })).stdout

  it('has nothing that its linter finds', async () => {
    await runOrThrow(programs.helm, ['lint', '--strict', '--with-subcharts', CHART], { env })
  })

  it('renders, with its default values, what infra/kubernetes is', async () => {
    const paths = readdirSync(KUBERNETES).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
    const applied = manifestsIn(...paths.map((name) => readFileSync(join(KUBERNETES, name), 'utf8')))
    const rendered = new Map(manifestsIn(await render()))
    // What Kustomize makes of files, and what keeps the objects when a release is removed, are the chart's own.
    const nats = rendered.get('ConfigMap nats')
    rendered.delete('ConfigMap nats')
    delete rendered.get('PersistentVolumeClaim objects')?.metadata.annotations
    expect(applied.size).toBeGreaterThan(20)
    expect(Object.fromEntries(rendered)).toEqual(Object.fromEntries(applied))
    for (const name of ['nats.conf', 'users.conf']) {
      expect(nats?.data?.[name]).toBe(readFileSync(join(KUBERNETES, name), 'utf8'))
    }
  })

  it('renders what its values say, as the Kubernetes API knows it', async () => {
    const values = ['--set', 'image=registry.example.org/coffer:1.0.0', '--set', 'replicas.gateway=5']
    const more = ['--set', 'settings.COFFER_LOG_LEVEL=debug', '--set', 'objects.storageClassName=nfs']
    const text = await render(...values, ...more, '--set', 'imagePullSecrets[0].name=registry')
    const rendered = manifestsIn(text)
    for (const service of SERVICES) {
      const { replicas, template } = rendered.get(`Deployment ${service}`)?.spec ?? {}
      expect(replicas).toBe(service === 'gateway' ? 5 : 2)
      expect(template?.spec.containers.map(({ image }) => image)).toEqual(['registry.example.org/coffer:1.0.0'])
      expect(template?.spec).toMatchObject({ imagePullSecrets: [{ name: 'registry' }] })
    }
    expect(rendered.get('ConfigMap mesh')?.data?.COFFER_LOG_LEVEL).toBe('debug')
    expect(rendered.get('PersistentVolumeClaim objects')?.spec).toMatchObject({ storageClassName: 'nfs' })
    const file = join(directory, 'rendered.yaml')
    writeFileSync(file, text)
    const { code, stdout, stderr } = await run(programs['kubernetes-validate'], ['--strict', file], { env })
    expect(code, stdout + stderr).toBe(0)
  })

  it('gives each file of settings, and the Secret with what it names, to the services that read it, and to no others', async () => {
    const s3 = { region: 'eu-central-1', bucket: 'objects', accessKeyId: 'AKIAEXAMPLE' }
    const values: Record<string, { configuration: object; secret: string; ports?: readonly number[] }> = {
      blobs: {
        configuration: { type: 's3', ...s3, secretAccessKeyFile: '/run/coffer/blobs/secret-key' },
        secret: 'object-store',
        ports: [443, 9000],
      },
      kms: {
        configuration: { connectors: { vault: { type: 'vault', tokenFile: '/run/coffer/kms/token' } } },
        secret: 'key-manager',
      },
      events: {
        configuration: {
          targets: { hook: { type: 'webhook', url: 'https://x.example', secretFile: '/run/coffer/events/hook' } },
        },
        secret: 'event-targets',
      },
      replication: { configuration: { destinations: { 'arn:aws:s3:::copy': s3 } }, secret: 'copies' },
      identities: {
        configuration: { directory: { type: 'ldap', bindPasswordFile: '/run/coffer/identities/reader' } },
        secret: 'directory-reader',
      },
    }
    const readers: Record<string, { services: readonly string[]; secrets: readonly string[] }> = {
      blobs: { services: ['gateway', 'rotation'], secrets: ['gateway', 'rotation'] },
      kms: { services: ['kms'], secrets: ['kms'] },
      events: { services: ['events', 'gateway'], secrets: ['events'] },
      replication: { services: ['gateway', 'rotation'], secrets: ['rotation'] },
      identities: { services: ['iam'], secrets: ['iam'] },
    }
    const valuesFile = join(directory, 'values.json')
    writeFileSync(valuesFile, JSON.stringify(values))
    const text = await render('--values', valuesFile)
    const rendered = manifestsIn(text)
    const environment = new Set(optionNames().map((name) => declarationOf(name).environment))
    for (const [name, { configuration, secret }] of Object.entries(values)) {
      const written = rendered.get(`ConfigMap ${name}-file`)?.data?.[`${name}.json`]
      expect(JSON.parse(written ?? '')).toEqual(configuration)
      const variable = `COFFER_${name.toUpperCase()}_FILE`
      expect(environment).toContain(variable)
      const [told, given]: string[][] = [[], []]
      for (const service of SERVICES) {
        const { spec, metadata } = rendered.get(`Deployment ${service}`)?.spec?.template ?? {}
        const [container] = spec?.containers ?? []
        const isTold = container?.env.some(
          (one) => one.name === variable && one.value === `/run/coffer/${name}/${name}.json`,
        )
        const mount = container?.volumeMounts.find(({ mountPath }) => mountPath === `/run/coffer/${name}`)
        const sources = spec?.volumes.find((volume) => volume.name === mount?.name)?.projected?.sources ?? []
        if (isTold && JSON.stringify(sources).includes(`{"configMap":{"name":"${name}-file"}}`)) told?.push(service)
        if (JSON.stringify(sources).includes(`{"secret":{"name":"${secret}"}}`)) given?.push(service)
        if (isTold) expect(metadata?.annotations?.['coffer/files']).toMatch(/^[0-9a-f]{64}$/)
      }
      expect([name, told?.sort(), given]).toEqual([name, readers[name]?.services, readers[name]?.secrets])
    }
    const policy = rendered.get('NetworkPolicy gateways-to-blobs')?.spec?.egress
    expect(policy).toEqual([{ ports: [443, 9000].map((port) => ({ port, protocol: 'TCP' })) }])
    const file = join(directory, 'files.yaml')
    writeFileSync(file, text)
    const { code, stdout, stderr } = await run(programs['kubernetes-validate'], ['--strict', file], { env })
    expect(code, stdout + stderr).toBe(0)
    await runOrThrow(programs.helm, ['lint', '--strict', '--values', valuesFile, CHART], { env })
  })

  it.each([
    { blobs: { configuration: { type: 's3', secretAccessKey: 'in-the-clear' } } },
    { kms: { configuration: { connectors: { vault: { type: 'vault', token: 'in-the-clear' } } } } },
    { events: { configuration: { targets: { a: { type: 'amqp', url: 'amqps://coffer:in-the-clear@rabbit:5671' } } } } },
    { identities: { configuration: { directory: { type: 'ldap', bindPassword: 'in-the-clear' } } } },
    { events: { secret: { hook: 'in-the-clear' } } },
    { replication: { configuration: [{ destinations: {} }] } },
  ])('refuses a secret where its name is to stand, as in %j', async (values) => {
    const valuesFile = join(directory, 'refused.json')
    writeFileSync(valuesFile, JSON.stringify(values))
    const args = ['template', 'coffer', CHART, '--values', valuesFile]
    const { code, stdout, stderr } = await run(programs.helm, args, { env })
    expect(code).not.toBe(0)
    expect(stderr).toContain('schema')
    expect(stdout + stderr).not.toContain('in-the-clear')
  })

  it.each(['replicas.gateways=3', 'replicas.gateway=0', 'setting.COFFER_REGION=x', 'settings.LOG_LEVEL=debug'])(
    'refuses %s',
    async (value) => {
      const { code, stderr } = await run(programs.helm, ['template', 'coffer', CHART, '--set', value], { env })
      expect(code).not.toBe(0)
      expect(stderr).toContain('schema')
    },
  )
})
