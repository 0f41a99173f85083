export { chooseDataAlgorithm, DATA_ALGORITHMS, type DataAlgorithm, type DataAlgorithmRow } from './algorithms.ts'
export { KeyCourier, type KeyParcelSealed } from './courier.ts'
export { CRYPTO_ERRORS, type CryptoErrorCode, cryptoError } from './errors.ts'
export { encodeContext, encodeFields } from './fields.ts'
export { insecureExportKeyBytes } from './insecure-export.ts'
export { MetadataKey } from './metadata-key.ts'
export {
  generateObjectKey,
  openObjectKey,
  openObjectKeyForCustomer,
  type SealContext,
  sealObjectKey,
  sealObjectKeyForCustomer,
} from './object-key.ts'
export { fillPublicRandom } from './random.ts'
export { Secret } from './secret.ts'
export {
  newStreamHeader,
  plainSizeBytes,
  SEGMENT_SIZE_BYTES,
  type SealedRange,
  STREAM_HEADER_SIZE_BYTES,
  sealedRangeOf,
  sealedSizeBytes,
  streamSaltOf,
  TAG_SIZE_BYTES,
} from './stream-format.ts'
export { type ExpectedStream, StreamOpener } from './stream-opener.ts'
export { StreamSealer } from './stream-sealer.ts'
export { openWhole, sealWhole } from './whole.ts'
export { unwrapSecret, wrapSecret } from './wrap.ts'
