import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { PKCS11 } from 'pkcs11js'
import { type HsmAnswer, type HsmRequest, type HsmThreadData, type HsmValue, OBJECT_MISSING } from './hsm-calls.ts'
import { ObjectMissing, returnValueOf, TokenMissing, TokenSession } from './token-session.ts'

/** The session is gone, or somebody has logged it out: it is opened anew (PKCS #11 v2.40, section 5.1). */
const CKR_LOST: ReadonlySet<number> = new Set([
  0x030, // CKR_DEVICE_ERROR
  0x032, // CKR_DEVICE_REMOVED
  0x0b0, // CKR_SESSION_CLOSED
  0x0b3, // CKR_SESSION_HANDLE_INVALID
  0x0e0, // CKR_TOKEN_NOT_PRESENT
  0x0e1, // CKR_TOKEN_NOT_RECOGNIZED
  0x101, // CKR_USER_NOT_LOGGED_IN
  0x190, // CKR_CRYPTOKI_NOT_INITIALIZED
])
/** A handle that means nothing any more. */
const CKR_STALE_OBJECT: ReadonlySet<number> = new Set([
  0x060, // CKR_KEY_HANDLE_INVALID
  0x082, // CKR_OBJECT_HANDLE_INVALID
])
const TOKEN_MISSING = 'token missing'
const LIBRARY_MISSING = 'library missing'

class BindingMissing extends Error {}

let library: PKCS11 | undefined
let session: TokenSession | undefined
let sessionEpoch = 0

parentPort?.on('message', ({ number, epoch, call }: HsmRequest) => {
  const answer = answerTo(call, epoch)
  parentPort?.postMessage({ number, ...answer } satisfies HsmAnswer)
  // The other side has a copy.
  if (answer.kind === 'done') answer.value.bytes?.fill(0)
})

type Answer = HsmAnswer extends infer A ? (A extends { number: number } ? Omit<A, 'number'> : never) : never

function answerTo(call: HsmRequest['call'], epoch: number): Answer {
  try {
    if (call.kind === 'end') {
      session = undefined
      library?.C_Finalize()
      return { kind: 'done', value: {} }
    }
    if (call.kind === 'open') {
      session = TokenSession.open(loaded(), workerData as HsmThreadData, call.pin)
      sessionEpoch = epoch
      return { kind: 'done', value: {} }
    }
    if (session === undefined || sessionEpoch !== epoch) return { kind: 'closed' }
    return { kind: 'done', value: runAgainWithFreshHandle(session, call) }
  } catch (error) {
    const returnValue = returnValueOf(error)
    if (call.kind !== 'open' && returnValue !== undefined && CKR_LOST.has(returnValue)) {
      session = undefined
      return { kind: 'closed' }
    }
    return { kind: 'failed', what: whatOf(error), ...(returnValue !== undefined && { returnValue }) }
  } finally {
    if (call.kind === 'open') call.pin.fill(0)
    if (call.kind === 'encrypt') call.plaintext.fill(0)
  }
}

function runAgainWithFreshHandle(open: TokenSession, call: Parameters<TokenSession['run']>[0]): HsmValue {
  try {
    return open.run(call)
  } catch (error) {
    if (!CKR_STALE_OBJECT.has(returnValueOf(error) ?? -1)) throw error
    open.forgetObjects()
    return open.run(call)
  }
}

function loaded(): PKCS11 {
  if (library !== undefined) return library
  const opened = new (binding().PKCS11)()
  opened.load((workerData as HsmThreadData).library)
  library = opened
  return opened
}

/** Built when it is installed, where that is possible: loaded only where an HSM is configured. */
function binding(): typeof import('pkcs11js') {
  try {
    return createRequire(import.meta.url)('pkcs11js')
  } catch {
    throw new BindingMissing()
  }
}

/** Never an error's own text: it may hold what the library was given. */
function whatOf(error: unknown): string {
  if (error instanceof ObjectMissing) return OBJECT_MISSING
  if (error instanceof TokenMissing) return TOKEN_MISSING
  if (error instanceof BindingMissing) return 'pkcs11js is not built: install Coffer where there is a C++ compiler'
  if (library === undefined) return LIBRARY_MISSING
  return 'call failed'
}
