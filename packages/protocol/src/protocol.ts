// What both ends share. The only file of this package that others import.

export * from './control.ts'
export * from './control-channel.ts'
export * from './errors.ts'
export * from './labels.ts'
export * from './splice.ts'
export * from './stream-header.ts'
export { WebSocketCarrier } from './websocket-carrier.ts'
export { BufferBudget } from './yamux/buffer-budget.ts'
export type { Carrier } from './yamux/carrier.ts'
export { YamuxSession } from './yamux/session.ts'
export type { YamuxSessionOptions } from './yamux/session.ts'
export { YamuxStream } from './yamux/stream.ts'
