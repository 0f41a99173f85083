export { ACL_POLICY_ID, type AccessControlList, type AclRequest, decideWithAcls, isByObjectAcl } from './acl.ts'
export {
  type DecidingStatement,
  type Decision,
  type DecisionRequest,
  decide,
  type NamedPolicy,
  type PrincipalPolicies,
} from './decide.ts'
export { isPublicPolicy, namesKey, type PolicyRequest } from './language/evaluate.ts'
export {
  POLICY_BYTES_MAX,
  PolicyMalformed,
  type PolicyPlace,
  parseIdentityPolicy,
  parseResourcePolicy,
  parseTrustPolicy,
} from './language/parse-policy.ts'
export type { ContextValues } from './language/pattern.ts'
export { isLike } from './language/pattern.ts'
export type { Policy } from './language/policy.ts'
export { type BoundPrincipals, principalsNamedIn, withPrincipals } from './language/policy-principals.ts'
export { PolicyReader } from './policy-reader.ts'
export {
  type KnownPrincipal,
  type PrincipalSession,
  type ProvenIdentity,
  principalValue,
  type RequestPrincipal,
  tagNamed,
} from './principal.ts'
