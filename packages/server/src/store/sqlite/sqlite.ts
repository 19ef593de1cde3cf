// node:sqlite, loaded without its notice: it calls itself experimental at every start, which does not help an operator.

const others = process.listeners('warning')
process.removeAllListeners('warning')
export const { DatabaseSync } = await import('node:sqlite')
// Warnings are emitted in the next tick; after that they are shown again.
setImmediate(() => {
  for (const listener of others) process.on('warning', listener)
})
