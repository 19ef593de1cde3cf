// node:sqlite, loaded without its notice: it calls itself experimental at every start, which tells an operator nothing.

const others = process.listeners('warning')
process.removeAllListeners('warning')
export const { DatabaseSync } = await import('node:sqlite')
// Warnings are told in the next tick; after that they are heard again.
setImmediate(() => {
  for (const listener of others) process.on('warning', listener)
})
