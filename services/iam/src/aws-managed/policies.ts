import { createHash } from 'node:crypto'
import type { ManagedPolicy } from '../entities.ts'

interface Statement {
  readonly Effect: 'Allow'
  readonly Action?: string | readonly string[]
  readonly NotAction?: readonly string[]
  readonly Resource: string
}

const allow = (Action: string | readonly string[], Resource = '*'): Statement => ({ Effect: 'Allow', Action, Resource })

/**
 * The policies that AWS manages and that mean something here, with what they say of services that Coffer has. Source: AWS Managed
 * Policy Reference Guide. Names and ARNs are AWS's.
 */
const STATEMENTS: Readonly<Record<string, readonly Statement[]>> = {
  AdministratorAccess: [allow('*')],
  PowerUserAccess: [
    { Effect: 'Allow', NotAction: ['iam:*', 'organizations:*', 'account:*'], Resource: '*' },
    allow(['iam:ListRoles', 'iam:GetAccountSummary', 'iam:ListAccountAliases']),
  ],
  ReadOnlyAccess: [
    allow([
      's3:Get*',
      's3:List*',
      'kms:Describe*',
      'kms:Get*',
      'kms:List*',
      'iam:Get*',
      'iam:List*',
      'iam:Generate*',
      'iam:Simulate*',
    ]),
  ],
  SecurityAudit: [
    allow([
      's3:GetBucket*',
      's3:GetEncryptionConfiguration',
      's3:ListAllMyBuckets',
      'kms:Describe*',
      'kms:GetKeyPolicy',
      'kms:GetKeyRotationStatus',
      'kms:List*',
      'iam:Get*',
      'iam:List*',
      'iam:Generate*',
    ]),
  ],
  AmazonS3FullAccess: [allow(['s3:*', 's3-object-lambda:*'])],
  AmazonS3ReadOnlyAccess: [
    allow(['s3:Get*', 's3:List*', 's3:Describe*', 's3-object-lambda:Get*', 's3-object-lambda:List*']),
  ],
  IAMFullAccess: [allow('iam:*')],
  IAMReadOnlyAccess: [
    allow([
      'iam:GenerateCredentialReport',
      'iam:Get*',
      'iam:List*',
      'iam:SimulateCustomPolicy',
      'iam:SimulatePrincipalPolicy',
    ]),
  ],
  IAMUserChangePassword: [
    allow('iam:ChangePassword', 'arn:aws:iam::*:user/$' + '{aws:username}'),
    allow('iam:GetAccountPasswordPolicy'),
  ],
  AWSKeyManagementServicePowerUser: [
    allow([
      'kms:CreateAlias',
      'kms:CreateKey',
      'kms:DeleteAlias',
      'kms:Describe*',
      'kms:GenerateRandom',
      'kms:Get*',
      'kms:List*',
      'kms:TagResource',
      'kms:UntagResource',
      'iam:ListGroups',
      'iam:ListRoles',
      'iam:ListUsers',
    ]),
  ],
}

const MADE_AT = Date.UTC(2015, 1, 6, 18, 40)
const PREFIX = 'arn:aws:iam::aws:policy/'

function managed(name: string, statements: readonly object[]): ManagedPolicy {
  const document = JSON.stringify({ Version: '2012-10-17', Statement: statements })
  return {
    kind: 'policy',
    accountId: 'aws',
    id: `ANPA${createHash('sha256').update(name).digest('hex').slice(0, 17).toUpperCase()}`,
    name,
    path: '/',
    createdAt: MADE_AT,
    updatedAt: MADE_AT,
    versions: [{ id: 'v1', document, createdAt: MADE_AT }],
    defaultVersionId: 'v1',
    versionsMade: 1,
    tags: [],
  }
}

/** By ARN. */
export const AWS_MANAGED: ReadonlyMap<string, ManagedPolicy> = new Map(
  Object.entries(STATEMENTS).map(([name, statements]) => [PREFIX + name, managed(name, statements)]),
)
