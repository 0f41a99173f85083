import type { FormTree } from '@coffer/contracts'
import { queryApiError } from './errors.ts'

const PARAMETERS_MAX = 2_000
/** `Tags.member.1.Key`. */
const NAME = /^[A-Za-z][A-Za-z0-9]{0,63}(?:\.[A-Za-z0-9]{1,64}){0,6}$/
const ITEMS_MAX = 1_000

type Branch = Map<string, Branch | string>

/**
 * The parameters of a request of AWS's Query protocol: a form whose names say where in the structure a value is; `member.1` is the
 * first of a list (Smithy, "AWS query protocol"). MalformedQueryString.
 */
export function parseForm(body: Uint8Array): { readonly [name: string]: FormTree } {
  const form = new URLSearchParams(new TextDecoder().decode(body))
  if (form.size > PARAMETERS_MAX) throw queryApiError('MalformedQueryString')
  const root: Branch = new Map()
  for (const [name, value] of form) {
    if (!NAME.test(name)) throw queryApiError('MalformedQueryString')
    plant(root, name.split('.'), value)
  }
  return structureOf(root)
}

function plant(root: Branch, path: readonly string[], value: string): void {
  let branch = root
  for (const name of path.slice(0, -1)) {
    const next = branch.get(name) ?? new Map()
    if (typeof next === 'string') throw queryApiError('MalformedQueryString')
    branch.set(name, next)
    branch = next
  }
  const last = path.at(-1) ?? ''
  if (branch.has(last)) throw queryApiError('MalformedQueryString')
  branch.set(last, value)
}

function treeOf(node: Branch | string): FormTree {
  if (typeof node === 'string') return node
  const members = node.get('member')
  if (members === undefined || node.size > 1) return structureOf(node)
  if (typeof members === 'string') throw queryApiError('MalformedQueryString')
  return listOf(members)
}

/** Positions need not be without gaps, nor in order. */
function listOf(members: Branch): FormTree[] {
  const items = [...members].map(([index, node]) => [Number(index), node] as const)
  const isList = items.length <= ITEMS_MAX && items.every(([index]) => Number.isInteger(index) && index > 0)
  if (!isList) throw queryApiError('MalformedQueryString')
  return items.sort(([a], [b]) => a - b).map(([, node]) => treeOf(node))
}

function structureOf(branch: Branch): { [name: string]: FormTree } {
  return Object.fromEntries([...branch].map(([name, node]) => [name, treeOf(node)]))
}
