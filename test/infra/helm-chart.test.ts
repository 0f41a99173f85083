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
  readonly metadata: { name: string; annotations?: Record<string, string> }
  readonly spec?: {
    readonly replicas?: number
    readonly template?: {
      readonly metadata: { annotations?: Record<string, string> }
      readonly spec: {
        readonly containers: readonly {
          readonly image: string
          readonly env: readonly { readonly name: string; readonly value: string }[]
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
        }[]
        readonly volumes: readonly {
          readonly name: string
          configMap?: { name: string }
          readonly persistentVolumeClaim?: { readonly claimName: string }
          readonly emptyDir?: object
          readonly secret?: { readonly secretName: string }
          readonly projected?: { readonly sources: readonly object[] }
        }[]
      }
    }
    readonly podSelector?: unknown
    readonly egress?: unknown
    readonly ingress?: unknown
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
    // What Kustomize makes of files, what keeps the objects when a release is removed, what restarts pods and tests them are the chart's own.
    const natsConfig = rendered
      .get('StatefulSet nats')
      ?.spec?.template?.spec.volumes.find(({ name }) => name === 'config')
    const nats = rendered.get(`ConfigMap ${natsConfig?.configMap?.name}`)
    expect(nats?.metadata.name).toMatch(/^nats-[0-9a-f]{10}$/)
    rendered.delete(`ConfigMap ${natsConfig?.configMap?.name}`)
    if (natsConfig) natsConfig.configMap = { name: 'nats' }
    rendered.delete('Pod coffer-test')
    delete rendered.get('PersistentVolumeClaim objects')?.metadata.annotations
    for (const service of SERVICES) {
      const metadata = rendered.get(`Deployment ${service}`)?.spec?.template?.metadata
      expect(Object.keys(metadata?.annotations ?? {})).toEqual(['coffer/settings'])
      delete metadata?.annotations
    }
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
      audit: {
        configuration: {
          targets: [{ type: 'webhook', url: 'https://x.example', authorizationFile: '/run/coffer/audit/header' }],
        },
        secret: 'audit-target',
        ports: [8443],
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
      audit: { services: ['gateway'], secrets: ['gateway'] },
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
    const portsOf = (policy: string) => rendered.get(`NetworkPolicy ${policy}`)?.spec?.egress
    expect(portsOf('gateways-to-blobs')).toEqual([{ ports: [443, 9000].map((port) => ({ port, protocol: 'TCP' })) }])
    expect(portsOf('gateways-to-audit')).toEqual([{ ports: [{ port: 8443, protocol: 'TCP' }] }])
    const file = join(directory, 'files.yaml')
    writeFileSync(file, text)
    const { code, stdout, stderr } = await run(programs['kubernetes-validate'], ['--strict', file], { env })
    expect(code, stdout + stderr).toBe(0)
    await runOrThrow(programs.helm, ['lint', '--strict', '--values', valuesFile, CHART], { env })
  })

  const onS3 = { type: 's3', region: 'eu-central-1', bucket: 'objects' }
  const onDisk = { type: 'directory', path: '/data/cold' }
  const webhook = { targets: [{ type: 'webhook', url: 'https://x.example' }] }
  const renderValues = async (values: object) => {
    const valuesFile = join(directory, 'given.json')
    writeFileSync(valuesFile, JSON.stringify(values))
    return await run(programs.helm, ['template', 'coffer', CHART, '--values', valuesFile], { env })
  }

  it.each([
    [onS3, false],
    [{ stores: { default: onS3, cold: onS3 }, classes: { GLACIER: 'cold' } }, false],
    [{ stores: { default: onS3, cold: onDisk }, classes: { GLACIER: 'cold' } }, true],
    [{ stores: { cold: onS3 }, classes: { GLACIER: 'cold' } }, true],
    [onDisk, true],
    [{}, true],
  ])('with object data as in %j asks for a shared volume: %s', async (configuration, isShared) => {
    const { stdout, stderr, code } = await renderValues({ blobs: { configuration }, audit: { configuration: webhook } })
    expect(code, stderr).toBe(0)
    const rendered = manifestsIn(stdout)
    expect(rendered.has('PersistentVolumeClaim objects')).toBe(isShared)
    for (const service of SERVICES) {
      const volumes = rendered.get(`Deployment ${service}`)?.spec?.template?.spec.volumes
      const data = volumes?.find(({ name }) => name === 'data')
      const holdsObjects = isShared && (service === 'gateway' || service === 'rotation')
      expect(data?.persistentVolumeClaim).toEqual(holdsObjects ? { claimName: 'objects' } : undefined)
      expect(data?.emptyDir === undefined).toBe(holdsObjects)
    }
  })

  it('has the audit trail go elsewhere where gateways keep no files', async () => {
    const blobs = { configuration: onS3 }
    for (const audit of [{}, { configuration: { targets: [...webhook.targets, { type: 'file' }] } }]) {
      const { code, stderr } = await renderValues({ blobs, audit })
      expect(code).not.toBe(0)
      expect(stderr).toContain('audit.configuration.targets')
    }
    expect((await renderValues({ blobs, settings: { COFFER_AUDIT: 'off' } })).code).toBe(0)
  })

  it.each([
    ['https://collector.example.org:4318/v1/traces', [4318]],
    ['https://collector.example.org/v1/traces', [443]],
    ['https://[2001:db8::1]:4319/v1/traces', [4319]],
    ['http://127.0.0.1:4318/v1/traces', undefined],
  ])('lets the pods that may call nobody call the collector at %s', async (endpoint, ports) => {
    const values = { settings: { COFFER_TRACES_ENDPOINT: endpoint }, traces: { secret: 'collector' } }
    const rendered = manifestsIn((await renderValues(values)).stdout)
    const policy = rendered.get('NetworkPolicy traces')?.spec
    expect(policy?.egress).toEqual(ports && [{ ports: ports.map((port) => ({ port, protocol: 'TCP' })) }])
    // The same pods that only-nats-out binds.
    if (ports) expect(policy?.podSelector).toEqual(rendered.get('NetworkPolicy only-nats-out')?.spec?.podSelector)
    for (const service of SERVICES) {
      const volumes = rendered.get(`Deployment ${service}`)?.spec?.template?.spec.volumes
      expect(volumes?.find(({ name }) => name === 'traces')?.secret).toMatchObject({ secretName: 'collector' })
    }
  })

  it('restarts pods when what they are told changes', async () => {
    const hashes = async (values: object) => {
      const rendered = manifestsIn((await renderValues(values)).stdout)
      return SERVICES.map((each) => rendered.get(`Deployment ${each}`)?.spec?.template?.metadata.annotations)
    }
    const before = await hashes({})
    const after = await hashes({ settings: { COFFER_LOG_LEVEL: 'debug' } })
    expect(await hashes({})).toEqual(before)
    for (const [index, each] of after.entries()) expect(each).not.toEqual(before[index])
  })

  it('lets only those read the metrics that values name, and the Service be what they say', async () => {
    const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }]
    const service = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', annotations: { 'example.org/pool': 'a' } }
    const rendered = manifestsIn((await renderValues({ metrics: { from }, service })).stdout)
    expect(rendered.get('NetworkPolicy metrics')?.spec?.ingress).toEqual([{ from, ports: [{ port: 'health' }] }])
    const { type, externalTrafficPolicy, annotations } = service
    expect(rendered.get('Service s3')?.spec).toMatchObject({ type, externalTrafficPolicy })
    expect(rendered.get('Service s3')?.metadata.annotations).toEqual(annotations)
  })

  it.each([
    { blobs: { configuration: { type: 's3', secretAccessKey: 'in-the-clear' } } },
    { kms: { configuration: { connectors: { vault: { type: 'vault', token: 'in-the-clear' } } } } },
    { events: { configuration: { targets: { a: { type: 'amqp', url: 'amqps://coffer:in-the-clear@rabbit:5671' } } } } },
    { identities: { configuration: { directory: { type: 'ldap', bindPassword: 'in-the-clear' } } } },
    { events: { secret: { hook: 'in-the-clear' } } },
    { replication: { configuration: [{ destinations: {} }] } },
    { audit: { configuration: { targets: [{ type: 'nats', url: 'tls://coffer:in-the-clear@nats:4222' }] } } },
    { settings: { COFFER_METADATA_URL: 'postgres://coffer:in-the-clear@postgres:5432/coffer' } },
    { settings: { COFFER_ROOT_SECRET_ACCESS_KEY: 'in-the-clear' } },
  ])('refuses a secret where its name is to stand, as in %j', async (values) => {
    const valuesFile = join(directory, 'refused.json')
    writeFileSync(valuesFile, JSON.stringify(values))
    const args = ['template', 'coffer', CHART, '--values', valuesFile]
    const { code, stdout, stderr } = await run(programs.helm, args, { env })
    expect(code).not.toBe(0)
    expect(stderr).toContain('schema')
    expect(stdout + stderr).not.toContain('in-the-clear')
  })

  it.each([
    'replicas.gateways=3',
    'replicas.gateway=0',
    'setting.COFFER_REGION=x',
    'settings.LOG_LEVEL=debug',
    'resources.request.cpu=1',
    'imagePullSecrets[0].Name=registry',
    'service.type=External',
    'metrics.from[0].namespaces=monitoring',
    'blobs.ports[0]=70000',
    'traces.secrets=collector',
  ])('refuses %s', async (value) => {
    const { code, stderr } = await run(programs.helm, ['template', 'coffer', CHART, '--set', value], { env })
    expect(code).not.toBe(0)
    expect(stderr).toContain('schema')
  })
})
