let turn: Promise<void> | undefined

/**
 * Resolves when all that has come on the connections of this process in this turn of the event loop has been read. The requests that
 * came together then go on in step: each runs to its next `await`, then the next one does, so that the same code runs for all of them
 * while the processor has it in its caches (docs/decisions/0020). One that comes alone waits for nothing.
 */
export function fallIntoStep(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined
      resolve()
    })
  })
  return turn
}
