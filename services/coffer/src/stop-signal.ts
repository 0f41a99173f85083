/**
 * Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. Before it is called, while a process
 * still starts, the first does: nothing is half-done that the next start would not put right.
 */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isFirst = true
    const receive = (signal: NodeJS.Signals) => {
      if (!isFirst) process.exit(1)
      isFirst = false
      resolve(signal)
    }
    process.on('SIGTERM', receive)
    process.on('SIGINT', receive)
  })
}
