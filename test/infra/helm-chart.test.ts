import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
    readonly template?: { readonly spec: { containers: { image: string }[] } }
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

  it.each(['replicas.gateways=3', 'replicas.gateway=0', 'setting.COFFER_REGION=x', 'settings.LOG_LEVEL=debug'])(
    'refuses %s',
    async (value) => {
      const { code, stderr } = await run(programs.helm, ['template', 'coffer', CHART, '--set', value], { env })
      expect(code).not.toBe(0)
      expect(stderr).toContain('schema')
    },
  )
})
