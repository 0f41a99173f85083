export {
  chooseDataAlgorithm,
  DATA_ALGORITHMS,
  type DataAlgorithm,
  type DataAlgorithmRow,
  DUAL_LAYER_ALGORITHM,
  type SingleLayerAlgorithm,
} from './algorithms.ts'
export { KeyCourier, type KeyParcelSealed } from './courier.ts'
export { CRYPTO_ERRORS, type CryptoErrorCode, cryptoError } from './errors.ts'
export { encodeContext, encodeFields } from './fields.ts'
export { insecureExportKeyBytes } from './insecure-export.ts'
export { joinLayers, layerCountOf, splitLayers } from './layers.ts'
export { MetadataKey } from './metadata-key.ts'
export {
  generateObjectKey,
  openObjectKey,
  openObjectKeyForCustomer,
  openOuterLayerKey,
  type SealContext,
  sealObjectKey,
  sealObjectKeyForCustomer,
  sealOuterLayerKey,
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
  sealedSegmentSizeBytes,
  sealedSizeBytes,
  streamSaltOf,
  TAG_SIZE_BYTES,
} from './stream-format.ts'
export { type ExpectedStream, StreamOpener } from './stream-opener.ts'
export { StreamSealer } from './stream-sealer.ts'
export { openWhole, sealWhole } from './whole.ts'
export { unwrapSecret, wrapSecret } from './wrap.ts'
