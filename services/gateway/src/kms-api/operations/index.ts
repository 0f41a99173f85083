import type { KmsApiOperation } from '../operation.ts'
import { createAlias, deleteAlias, listAliases, updateAlias } from './aliases.ts'
import { generateDataKey, generateDataKeyWithoutPlaintext, generateRandom } from './data-keys.ts'
import { cancelKeyDeletion, scheduleKeyDeletion } from './deletion.ts'
import { decrypt, encrypt, reEncrypt } from './encryption.ts'
import { createGrant, listGrants, listRetirableGrants, retireGrant, revokeGrant } from './grants.ts'
import { createKey, describeKey, disableKey, enableKey, updateKeyDescription } from './keys.ts'
import { listKeys } from './list-keys.ts'
import { getKeyPolicy, listKeyPolicies, putKeyPolicy } from './policies.ts'
import {
  disableKeyRotation,
  enableKeyRotation,
  getKeyRotationStatus,
  listKeyRotations,
  rotateKeyOnDemand,
} from './rotation.ts'
import { listResourceTags, tagResource, untagResource } from './tags.ts'

/** Each operation that is answered, by its name in the AWS KMS API. Every other one is an UnknownOperationException. */
export const KMS_API_OPERATIONS: ReadonlyMap<string, KmsApiOperation> = new Map(
  Object.entries({
    CancelKeyDeletion: cancelKeyDeletion,
    CreateAlias: createAlias,
    CreateGrant: createGrant,
    CreateKey: createKey,
    Decrypt: decrypt,
    DeleteAlias: deleteAlias,
    DescribeKey: describeKey,
    DisableKey: disableKey,
    DisableKeyRotation: disableKeyRotation,
    EnableKey: enableKey,
    EnableKeyRotation: enableKeyRotation,
    Encrypt: encrypt,
    GenerateDataKey: generateDataKey,
    GenerateDataKeyWithoutPlaintext: generateDataKeyWithoutPlaintext,
    GenerateRandom: generateRandom,
    GetKeyPolicy: getKeyPolicy,
    GetKeyRotationStatus: getKeyRotationStatus,
    ListAliases: listAliases,
    ListGrants: listGrants,
    ListKeyPolicies: listKeyPolicies,
    ListKeyRotations: listKeyRotations,
    ListKeys: listKeys,
    ListResourceTags: listResourceTags,
    ListRetirableGrants: listRetirableGrants,
    PutKeyPolicy: putKeyPolicy,
    ReEncrypt: reEncrypt,
    RetireGrant: retireGrant,
    RevokeGrant: revokeGrant,
    RotateKeyOnDemand: rotateKeyOnDemand,
    ScheduleKeyDeletion: scheduleKeyDeletion,
    TagResource: tagResource,
    UntagResource: untagResource,
    UpdateAlias: updateAlias,
    UpdateKeyDescription: updateKeyDescription,
  }),
)
