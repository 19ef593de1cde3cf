// What both ends share. The only file of this package that others import.

export * from './control.ts'
export * from './control-channel.ts'
export * from './errors.ts'
export * from './labels.ts'
export * from './splice.ts'
export * from './stream-header.ts'
