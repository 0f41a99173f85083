import { describe, expect, it } from 'vitest'
import { permissionsOf, renderNatsConfig } from './nats-config.ts'
import { CALLS, MESH_ROLES, type MeshRole } from './roles.ts'

/** Whether NATS lets a subject through: `*` is one token, `>` the rest. */
function allows(patterns: readonly string[], subject: string): boolean {
  return patterns.some((pattern) => {
    const source = pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace(/>$/, '.+')
    return new RegExp(`^${source}$`).test(subject)
  })
}

describe('the permissions of a role at NATS', () => {
  it.each(MESH_ROLES)('let %s ask whom it calls, and nobody else', (role) => {
    for (const callee of MESH_ROLES) {
      const subject = `MOL-coffer.REQ.${callee}.0b3c`
      expect(allows(permissionsOf(role).publish, subject)).toBe(CALLS[role].includes(callee))
    }
  })

  it.each(MESH_ROLES)('let %s hear what is for itself, and nothing of others', (role) => {
    const { subscribe } = permissionsOf(role)
    for (const other of MESH_ROLES) {
      for (const packet of ['REQ', 'RES', 'INFO', 'EVENT']) {
        expect(allows(subscribe, `MOL-coffer.${packet}.${other}.0b3c`)).toBe(other === role)
      }
    }
    expect(allows(subscribe, '>')).toBe(false)
    expect(allows(subscribe, 'MOL-coffer.>')).toBe(false)
  })

  it('let nobody answer who is not asked', () => {
    expect(allows(permissionsOf('gateway').publish, 'MOL-coffer.RES.kms.0b3c')).toBe(false)
    expect(allows(permissionsOf('metadata').publish, 'MOL-coffer.RES.kms.0b3c')).toBe(true)
  })
})

it('a configuration escapes what is put into it', () => {
  const passwords = Object.fromEntries(MESH_ROLES.map((role) => [role, 'p"w'])) as Record<MeshRole, string>
  const paths = { certificatePath: '/a "b"/c', keyPath: '/k' }
  const text = renderNatsConfig({ host: '127.0.0.1', port: 4222, passwords, ...paths })
  expect(text).toContain('cert_file: "/a \\"b\\"/c"')
  expect(text).toContain('password: "p\\"w"')
})
