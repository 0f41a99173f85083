import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { declarationOf, optionNames } from '@coffer/config'
import { MESH_ROLES } from '@coffer/service-coffer/mesh-roles'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { run } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { cleanEnvironment, REPOSITORY } from '../harness/start-server.ts'
import { NATS_USERS, natsUsers } from './nats-users.ts'

const INFRA = join(REPOSITORY, 'infra')
const KUBERNETES = join(INFRA, 'kubernetes')
const env = cleanEnvironment({})
const files = readdirSync(INFRA, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
const texts = new Map(files.map((path) => [path, readFileSync(path, 'utf8')]))
const manifests = readdirSync(KUBERNETES).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')

describe('infra', () => {
  it('sets only what Coffer has a setting for', () => {
    const known = new Set(optionNames().map((name) => declarationOf(name).environment as string))
    const named = [...texts.values()].flatMap((text) => text.match(/\bCOFFER_[A-Z_]+\b/g) ?? [])
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  it('runs each service of the mesh, in containers and in pods', () => {
    const services = MESH_ROLES.filter((role) => role !== 'operator')
    for (const service of services) {
      expect(texts.get(join(INFRA, 'compose/compose.yaml'))).toContain(`command: [service, ${service}]`)
      expect(texts.get(join(KUBERNETES, `${service}.yaml`))).toContain(`args: [service, ${service}]`)
    }
  })

  it('lists every manifest', () => {
    const kustomization = texts.get(join(KUBERNETES, 'kustomization.yaml')) ?? ''
    for (const name of manifests) expect(kustomization).toContain(`- ${name}\n`)
  })

  it('gives no pod more than it needs: no root, no writable file system, no capability, no token', () => {
    for (const name of manifests) {
      for (const document of parseAllDocuments(texts.get(join(KUBERNETES, name)) ?? '')) {
        const { kind, spec } = document.toJS() as { kind: string; spec: { template?: { spec: PodSpec } } }
        if (kind !== 'Deployment' && kind !== 'StatefulSet') continue
        const pod = spec.template?.spec as PodSpec
        expect(pod.automountServiceAccountToken).toBe(false)
        // Variables of services of the namespace: with one called `coffer` there is a COFFER_PORT, which is no option, and no start.
        expect(pod.enableServiceLinks).toBe(false)
        for (const { name, secret, projected } of pod.volumes ?? []) {
          const files = secret ?? projected
          if (files) expect(files.defaultMode, name).toBe(0o440)
        }
        expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
        for (const container of pod.containers) {
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          })
        }
      }
    }
  })

  it('gives the root key to kms alone', () => {
    for (const name of manifests) {
      expect((texts.get(join(KUBERNETES, name)) ?? '').includes('root-key')).toBe(name === 'kms.yaml')
    }
  })

  it('has NATS users with the permissions of the code (node test/infra/write-nats-users.ts writes them)', () => {
    expect(readFileSync(NATS_USERS, 'utf8')).toBe(natsUsers())
  })
})

interface PodSpec {
  readonly automountServiceAccountToken: boolean
  readonly enableServiceLinks?: boolean
  readonly volumes?: readonly {
    readonly name: string
    readonly secret?: { readonly defaultMode?: number }
    readonly projected?: { readonly defaultMode?: number }
  }[]
  readonly securityContext: object
  readonly containers: readonly { readonly securityContext: object }[]
}

describeWithPrograms('infra, to its own linters', ['hadolint', 'kubernetes-validate'], (programs) => {
  it('has a Dockerfile that hadolint finds nothing in', async () => {
    const { code, stdout } = await run(programs.hadolint, [join(INFRA, 'docker/Dockerfile')], { env })
    expect(stdout).toBe('')
    expect(code).toBe(0)
  })

  it('has manifests of the Kubernetes API', async () => {
    const paths = manifests.map((name) => join(KUBERNETES, name))
    const { code, stdout, stderr } = await run(programs['kubernetes-validate'], ['--strict', ...paths], { env })
    expect(code, stdout + stderr).toBe(0)
  })
})
